"""The command line, one module per command.

May import every other package of the build.
"""
