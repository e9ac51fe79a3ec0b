"""One module per technique. ``build(context)`` writes the artefact and returns its manifest.

May import every package of the build except experiments and commands.
"""
