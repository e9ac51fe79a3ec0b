"""The shapes of requests and answers, as the OpenAPI document shows them.

May import service.artifacts, for the scores of a manifest.
"""
