"""Fair turns: shares the processor among requests in flight, step by step.

Imports nothing else of the service.
"""
