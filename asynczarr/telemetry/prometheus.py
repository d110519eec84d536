"""Events as Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from ..errors import Unsupported
from .events import Event
from .hooks import Subscription, subscribe
from .measures import INSTRUMENTS, RULES, Instrument, measure

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["bridge", "metric_name"]

_Metrics: TypeAlias = "dict[str, Counter | Histogram]"
_UNITS = {"s": "seconds", "By": "bytes", "1": ""}

_registries: WeakKeyDictionary[CollectorRegistry, _Metrics] = WeakKeyDictionary()


def bridge(registry: CollectorRegistry | None = None) -> Subscription:
    """Count and time events in metrics called ``asynczarr_...``; after closing the subscription they stay as they are.

    Args:
        registry: where the metrics are registered; by default the one of ``prometheus_client``. A second bridge to the
            same registry goes on with the same metrics.

    Raises:
        Unsupported: ``prometheus_client`` is not installed.
    """
    try:
        from prometheus_client import REGISTRY
    except ImportError as error:
        raise Unsupported("Prometheus metrics need: pip install 'asynczarr[prometheus]'") from error

    where = REGISTRY if registry is None else registry
    if where not in _registries:
        _registries[where] = {each.name: _metric(each, where) for each in INSTRUMENTS}
    metrics = _registries[where]

    def count(event: Event) -> None:
        for instrument, amount, labels in measure(event):
            made = metrics[instrument.name]
            metric = made.labels(*labels) if labels else made
            if instrument.kind == "counter":
                metric.inc(amount)  # type: ignore[union-attr]  # a counter, by its name
            else:
                metric.observe(amount)  # type: ignore[union-attr]  # a histogram

    return subscribe(count, *RULES)


def metric_name(instrument: Instrument) -> str:
    """Its name in Prometheus: underscores, and the unit, which counters of bytes and histograms of seconds end in."""
    name, unit = instrument.name.replace(".", "_"), _UNITS[instrument.unit]
    return f"{name}_{unit}" if unit and not name.endswith(unit) else name


def _metric(instrument: Instrument, registry: CollectorRegistry) -> Counter | Histogram:
    from prometheus_client import Counter, Histogram

    name, text, labels = metric_name(instrument), instrument.text, instrument.labels
    if instrument.kind == "counter":
        return Counter(name, text, labels, registry=registry)
    return Histogram(name, text, labels, registry=registry, buckets=instrument.buckets)
