"""Prometheus metrics, labelled by variant. Paths that do not exist share one label, so that none adds a series."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The service's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Resident memory and CPU seconds of the process.
        ProcessCollector(registry=self.registry)
        self.service = Info("kidogo_service", "CPUs, threads, limits and versions", registry=self.registry)
        self.requests = Counter(
            "kidogo_requests", "Requests answered", ["path", "variant", "status"], registry=self.registry
        )
        self.inference_seconds = Histogram(
            "kidogo_inference_seconds", "Time in the model", ["variant"], buckets=_SECONDS, registry=self.registry
        )
        self.queue_seconds = Histogram(
            "kidogo_queue_seconds", "Wait for the first step", ["variant"], buckets=_SECONDS, registry=self.registry
        )
        self.in_flight = Gauge("kidogo_in_flight", "Requests accepted and not yet answered", registry=self.registry)
        self.reading = Gauge("kidogo_reading", "Requests whose bodies are being read", registry=self.registry)
        self.ready = Gauge("kidogo_variant_ready", "1 if the variant is ready", ["variant"], registry=self.registry)
