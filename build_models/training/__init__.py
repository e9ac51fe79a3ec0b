"""The training loop, batches of examples, and fine-tuning.

Imports no other package of the build.
"""
