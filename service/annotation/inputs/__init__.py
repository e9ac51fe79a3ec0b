"""Files to records: text, JSON lines, CSV and CoNLL columns, read as streams.

May import service.annotation.errors, and service.evaluation for CoNLL columns.
"""
