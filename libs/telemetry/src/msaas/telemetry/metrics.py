"""Creates metrics with checked names; every series is labelled with service and environment."""

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

MetricType = TypeVar("MetricType", bound=MetricWrapperBase)

_ALLOWED_NAMES: Final = re.compile(
    r"(?:msaas|http_server|jobs_browser|billing|agents|circuit|privacy|db|redis)(?:_[a-z0-9]+)+"
)


class InvalidMetric(ValueError):
    """The name or labels of a metric violate ADR-0003."""


class Metrics:
    """The metrics of one process; the same name returns the same metric."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, service: str, environment: str) -> None:
        self.registry: Final = _LabelledRegistry({"service": service, "environment": environment})
        self._metrics: dict[str, tuple[MetricWrapperBase, tuple[str, ...]]] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def counter(self, name: str, doc: str, labels: Sequence[str] = ()) -> Counter:
        if not name.endswith("_total"):
            raise InvalidMetric(f"counter {name} does not end in _total")
        return self._get_or_create(
            Counter, name, labels, lambda: Counter(name, doc, labels, registry=None)
        )

    def gauge(self, name: str, doc: str, labels: Sequence[str] = ()) -> Gauge:
        return self._get_or_create(
            Gauge, name, labels, lambda: Gauge(name, doc, labels, registry=None)
        )

    def histogram(
        self,
        name: str,
        doc: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS,
    ) -> Histogram:
        def make() -> Histogram:
            return Histogram(name, doc, labels, registry=None, buckets=buckets)

        return self._get_or_create(Histogram, name, labels, make)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _get_or_create(
        self,
        kind: type[MetricType],
        name: str,
        labels: Sequence[str],
        make: Callable[[], MetricType],
    ) -> MetricType:
        if not _ALLOWED_NAMES.fullmatch(name):
            raise InvalidMetric(f"metric {name} has an unknown prefix")
        if reserved := self.registry.const_labels.keys() & set(labels):
            raise InvalidMetric(f"metric {name}: the registry sets {sorted(reserved)}")
        if name not in self._metrics:
            metric = make()
            self.registry.register(metric)
            self._metrics[name] = metric, tuple(labels)
        known, known_labels = self._metrics[name]
        if not isinstance(known, kind) or known_labels != tuple(labels):
            raise InvalidMetric(f"metric {name} exists with another type or other labels")
        return known


class _LabelledRegistry(CollectorRegistry):
    def __init__(self, const_labels: dict[str, str]) -> None:
        super().__init__()
        self.const_labels: Final = const_labels

    def collect(self) -> Iterable[Metric]:
        for metric in super().collect():
            labelled = copy.copy(metric)
            labelled.samples = [
                sample._replace(labels={**sample.labels, **self.const_labels})
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ]
            yield labelled
