"""The page of results, made from the result files alone: figures, groups, verdicts, plots.

May import the cells and results of build_models.experiments.
"""
