"""The results page, generated from the result files: figures, groups, verdicts, plots.

May import the cells and results of build_models.experiments.
"""
