"""What is run: the matrix of variants and loops, and the soak. Each fills a record.

May import loadtests.load and loadtests.report.
"""
