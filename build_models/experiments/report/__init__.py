"""The results page, generated from the result files: figures, groups, verdicts, plots; and the frontier of pocket.

May import build_models.experiments and, for the frontier, all that a build imports.
"""
