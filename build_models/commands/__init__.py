"""The commands of ``python -m build_models``, one module each.

May import every other package of the build.
"""
