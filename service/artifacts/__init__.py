"""Artefacts on disk and in memory: manifest, verification, and the pool of loaded variants.

May import service.ner and service.runtimes.
"""
