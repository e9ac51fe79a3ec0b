"""Cached, resumable stages of the build, and the record of replaced artefacts.

Imports no other package of the build.
"""
