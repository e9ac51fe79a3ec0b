"""Request and response models, as shown in the OpenAPI document.

May import service.artifacts.
"""
