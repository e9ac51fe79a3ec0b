"""The bundled model: a small classifier of ten languages, made from openly licensed text and the bundled sample.

May import build_models.artifacts, build_models.bases and everything below them.
"""
