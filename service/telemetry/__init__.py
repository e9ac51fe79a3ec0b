"""Logs, metrics and traces.

May import service.ner and service.artifacts.
"""
