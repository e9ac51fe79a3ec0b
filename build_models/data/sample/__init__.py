"""The bundled sample: sentences in ten languages, generated from the project's own patterns and name lists.

Imports of the build only build_models.data.datasets.
"""
