"""Worker processes: the worker's program, its messages, and a pool that restarts workers.

May import service.inference, and service.annotation's documents, formats and errors.
"""
