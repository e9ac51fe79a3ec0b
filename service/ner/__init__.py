"""From text to entities, without I/O: words, pieces, windows, logits, labels, spans.

Imports no other package of the service.
"""
