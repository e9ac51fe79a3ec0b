"""The HTTP routes, one module per path.

May import every other package of the service.
"""
