"""The bundled model: made once from text that it may learn from, shipped in ``model/``.

``python -m build_models bundled`` makes it again. Imports of the build: data, bases, training, the sample and the
workspace; nothing imports this package but the command line and whoever wants ``bundled_model()``.
"""
