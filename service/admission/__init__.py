"""Who is let in: draining, requests in flight, bodies being read, predicted queueing time.

May import service.schemas and service.telemetry.
"""
