"""Fair scheduling of the steps of requests in flight.

Imports no other package of the service.
"""
