"""Runs the pipeline of a variant for a request, and picks a variant for ``variant=auto``.

May import service.admission, service.scheduling and everything below them.
"""
