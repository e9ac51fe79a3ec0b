"""Cached, resumable stages of the build, and what a build replaced.

Imports no other package of the build.
"""
