"""The load itself: texts, users, samples of what was answered, and the service under test.

Imports no other package of the load tests.
"""
