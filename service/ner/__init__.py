"""Text to entities, without I/O: words, pieces, windows, logits, labels, spans.

Imports nothing else of the service.
"""
