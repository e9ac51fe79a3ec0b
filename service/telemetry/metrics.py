"""Prometheus metrics, labelled by variant. Unknown paths share one label, so that they add no series."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from service.artifacts.pool import Slot
from service.ner.timing import Timer

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The service's metrics in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.service = Info("kidogo_service", "CPUs, threads, limits and versions", registry=self.registry)
        self.requests = Counter(
            "kidogo_requests", "Requests answered", ["path", "variant", "status"], registry=self.registry
        )
        self.errors = Counter(
            "kidogo_errors", "Requests refused or failed", ["path", "variant", "code"], registry=self.registry
        )
        self.queue_seconds = self._seconds("kidogo_queue_seconds", "Queueing time before the first step")
        self.tokenize_seconds = self._seconds("kidogo_tokenize_seconds", "Tokenization time")
        self.inference_seconds = self._seconds("kidogo_inference_seconds", "Inference time")
        self.decode_seconds = self._seconds("kidogo_decode_seconds", "Decoding time")
        self.tokens = Counter("kidogo_tokens", "Pieces processed by models", ["variant"], registry=self.registry)
        self.in_flight = Gauge("kidogo_in_flight", "Requests in flight", registry=self.registry)
        self.reading = Gauge("kidogo_reading", "Requests whose bodies are being read", registry=self.registry)
        self.ready = self._of_variant("kidogo_variant_ready", "1 if the variant is ready")
        self.stale = self._of_variant(
            "kidogo_variant_stale", "1 if an older artefact is served because the current one cannot be loaded"
        )
        self.resident_bytes = self._of_variant(
            "kidogo_variant_resident_bytes", "Growth of the process's resident memory when the variant was loaded"
        )
        self.built = self._of_variant("kidogo_variant_built_timestamp_seconds", "Build time of the served artefact")
        # Requests repeated with a second variant; F1 between the two is 2 both / (2 both + first + second).
        self.agreement_documents = Counter(
            "kidogo_agreement_documents",
            "Documents also processed by a second variant, by whether the entities are the same or different",
            ["variant", "second", "outcome"],
            registry=self.registry,
        )
        self.agreement_entities = Counter(
            "kidogo_agreement_entities",
            "Entities in these documents, by who found them: both, only the first or only the second variant",
            ["variant", "second", "found_by"],
            registry=self.registry,
        )
        self.agreement_skipped = Counter(
            "kidogo_agreement_skipped", "Requests not repeated because of load", registry=self.registry
        )

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, ["variant"], buckets=_SECONDS, registry=self.registry)

    def _of_variant(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["variant"], registry=self.registry)

    def observe(self, variant: str, queue_seconds: float, timer: Timer) -> None:
        """Record the times of an answered request."""
        self.queue_seconds.labels(variant).observe(queue_seconds)
        self.tokenize_seconds.labels(variant).observe(timer.tokenize.seconds)
        self.inference_seconds.labels(variant).observe(timer.inference.seconds)
        self.decode_seconds.labels(variant).observe(timer.decode.seconds)
        self.tokens.labels(variant).inc(timer.pieces)

    def describe(self, slots: Iterable[Slot]) -> None:
        """Update the state of the variants before a scrape; variants that are not served have no series."""
        for slot in slots:
            name = slot.variant.name
            if not slot.expected:
                # It may have a series from before it was known to be left out.
                for gauge in (self.ready, self.stale, self.resident_bytes, self.built):
                    gauge.remove(name)
                continue
            self.ready.labels(name).set(slot.status == "ready")
            self.stale.labels(name).set(slot.status == "ready" and slot.reason is not None)
            self.resident_bytes.labels(name).set(slot.resident_bytes or 0)
            if slot.manifest is not None:
                self.built.labels(name).set(slot.manifest.built_at.timestamp())
