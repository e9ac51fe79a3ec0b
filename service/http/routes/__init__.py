"""The HTTP routes, one module per path. They read, ask the engine or a check, and answer.

May import every other package of the service.
"""
