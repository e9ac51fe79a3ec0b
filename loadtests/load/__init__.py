"""Load generation: texts, users, samples, and a client of the service under test.

Imports no other package of the load tests.
"""
