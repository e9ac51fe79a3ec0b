"""The paper's experiments: grids of cells, how cells run, and their result files.

May import everything of the build but commands.
"""
