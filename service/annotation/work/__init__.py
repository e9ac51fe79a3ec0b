"""Worker processes: what they run, how they are talked to, and that they are started again.

May import service.inference, and service.annotation's documents, formats and errors.
"""
