"""The console script ``kidogo`` and its commands that need nothing of the build.

May import service.artifacts and service.settings; commands of the build are named, not imported.
"""
