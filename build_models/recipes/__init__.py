"""One module per technique, each with ``build(context)``, which leaves an artefact and returns its manifest.

May import everything of the build but experiments and commands.
"""
