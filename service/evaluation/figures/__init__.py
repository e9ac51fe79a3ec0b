"""The figures of an accuracy check: scores with intervals, mistakes, calibration.

May import service.schemas and service.ner; service.evaluation imports it.
"""
