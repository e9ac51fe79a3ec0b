"""Encoders to fine-tune: loaded from a checkpoint, or pretrained here.

May import build_models.training, build_models.data and build_models.workspace.
"""
