"""Everything about HTTP: the connection, request bodies, routes, error responses, the page.

May import every other package of the service.
"""
