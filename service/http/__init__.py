"""What knows HTTP: the connection, request bodies, routes, errors as answers, the page.

May import every other package of the service.
"""
