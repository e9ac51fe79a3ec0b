"""The bundled sample: sentences in ten languages, generated from the project's own patterns and name lists.

Of the build, it imports only build_models.data.datasets.
"""
