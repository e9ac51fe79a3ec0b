"""Stages that survive a kill and are not run again while their inputs stay the same, and what a build replaced.

Imports no other package of the build.
"""
