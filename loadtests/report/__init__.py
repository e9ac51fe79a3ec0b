"""The record of a run, and the page, tables, plots and comparisons made from it.

May import loadtests.load, for samples.
"""
