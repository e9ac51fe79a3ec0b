"""Labelled data sets (folders, the hub, the bundled sample) and raw text.

Imports no other package of the build.
"""
