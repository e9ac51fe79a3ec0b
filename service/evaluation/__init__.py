"""Labelled data, scores with intervals, and comparisons of variants.

May import service.inference and everything below it. The build uses its reader and scores.
"""
