"""Prometheus metrics, labelled by variant. Paths that do not exist share one label, so that none adds a series."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from service.artifacts.pool import Slot
from service.ner.timing import Timer

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
        self.errors = Counter(
            "kidogo_errors", "Requests refused or failed", ["path", "variant", "code"], registry=self.registry
        )
        self.queue_seconds = self._seconds("kidogo_queue_seconds", "Wait for the first step")
        self.tokenize_seconds = self._seconds("kidogo_tokenize_seconds", "Time to words and pieces")
        self.inference_seconds = self._seconds("kidogo_inference_seconds", "Time in the model")
        self.decode_seconds = self._seconds("kidogo_decode_seconds", "Time from logits to labels")
        self.tokens = Counter("kidogo_tokens", "Pieces that models have read", ["variant"], registry=self.registry)
        self.in_flight = Gauge("kidogo_in_flight", "Requests accepted and not yet answered", registry=self.registry)
        self.reading = Gauge("kidogo_reading", "Requests whose bodies are being read", registry=self.registry)
        self.ready = self._of_variant("kidogo_variant_ready", "1 if the variant is ready")
        self.stale = self._of_variant(
            "kidogo_variant_stale", "1 if the variant serves because what is in its folder now cannot be served"
        )
        self.resident_bytes = self._of_variant(
            "kidogo_variant_resident_bytes", "Growth of the process's resident memory by loading the variant"
        )
        self.built = self._of_variant("kidogo_variant_built_timestamp_seconds", "When the served artefact was built")
        # Of requests read again by a second variant; F1 between the two is 2 both / (2 both + first + second).
        self.agreement_documents = Counter(
            "kidogo_agreement_documents",
            "Documents that a second variant read too: same or different entities",
            ["variant", "second", "outcome"],
            registry=self.registry,
        )
        self.agreement_entities = Counter(
            "kidogo_agreement_entities",
            "Their entities, by who found them: both, only the first or only the second variant",
            ["variant", "second", "found_by"],
            registry=self.registry,
        )
        self.agreement_skipped = Counter(
            "kidogo_agreement_skipped", "Requests not read again for want of time", registry=self.registry
        )

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, ["variant"], buckets=_SECONDS, registry=self.registry)

    def _of_variant(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["variant"], registry=self.registry)

    def observe(self, variant: str, queue_seconds: float, timer: Timer) -> None:
        """Note where the time of an answered request went."""
        self.queue_seconds.labels(variant).observe(queue_seconds)
        self.tokenize_seconds.labels(variant).observe(timer.tokenize.seconds)
        self.inference_seconds.labels(variant).observe(timer.inference.seconds)
        self.decode_seconds.labels(variant).observe(timer.decode.seconds)
        self.tokens.labels(variant).inc(timer.pieces)

    def describe(self, slots: Iterable[Slot]) -> None:
        """Note how the variants stand, before the metrics are read; of those that are left out there is nothing."""
        for slot in slots:
            name = slot.variant.name
            if not slot.expected:
                # It was described while it was not yet known to be left out.
                for gauge in (self.ready, self.stale, self.resident_bytes):
                    gauge.remove(name)
                continue
            self.ready.labels(name).set(slot.status == "ready")
            self.stale.labels(name).set(slot.status == "ready" and slot.reason is not None)
            self.resident_bytes.labels(name).set(slot.resident_bytes or 0)
            if slot.manifest is not None:
                self.built.labels(name).set(slot.manifest.built_at.timestamp())
