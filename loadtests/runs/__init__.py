"""The measurement programs: the matrix of variants and load levels, and the soak test.

May import loadtests.load and loadtests.report.
"""
