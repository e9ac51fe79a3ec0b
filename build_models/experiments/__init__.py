"""The paper's experiments: grids of cells, their execution, and result files.

May import every package of the build except commands.
"""
