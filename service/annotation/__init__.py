"""Annotates files without a server: inputs, worker processes, output formats, and resuming.

May import service.inference, service.evaluation and everything below them.
"""
