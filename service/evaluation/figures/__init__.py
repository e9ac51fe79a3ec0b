"""What a check of accuracy computes from entities: counts with intervals, mistakes, calibration.

May import service.schemas and service.ner; service.evaluation imports it.
"""
