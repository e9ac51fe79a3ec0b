"""From a checkpoint to an artefact: ONNX export, transitions, sparse storage, scores.

May import build_models.data, build_models.training and build_models.workspace.
"""
