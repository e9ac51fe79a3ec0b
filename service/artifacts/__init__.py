"""Artefacts on disk and in memory: the manifest, its checks, and the pool of loaded variants.

May import service.ner and service.runtimes.
"""
