"""The record of a run, and the report, plots and comparisons made from it.

May import loadtests.load, for samples.
"""
