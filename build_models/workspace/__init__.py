"""Cached, resumable stages of the build, and the copy that ``rollback`` restores.

Imports no other package of the build.
"""
