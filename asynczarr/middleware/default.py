"""The default stack: policies around a store in an order that makes sense, each of them replaceable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from ..store.base import Store

if TYPE_CHECKING:
    from .policy import RetryPolicy  # loads tenacity, which embedded stores do without

__all__ = ["ORDER", "Layer", "stack"]

Layer: TypeAlias = bool | Mapping[str, Any] | Callable[[Store], Store] | None
"""A layer as :func:`stack` takes it: by default or not at all, with arguments, or something else in its place."""

ORDER: tuple[tuple[str, str, bool], ...] = (
    ("telemetry", "Telemetry", True),
    ("readonly", "ReadOnly", False),
    ("prefix", "Prefix", False),
    ("cache", "Cache", False),
    ("coalesce", "Coalesce", False),
    ("deadline", "Deadline", True),
    ("idempotency", "Idempotency", True),
    ("retry", "Retry", True),
    ("throttle", "Throttle", True),
    ("limit", "Limit", True),
    ("hedge", "Hedge", False),
    ("attempt_deadline", "AttemptDeadline", True),
    ("checksum", "Checksum", True),
    ("resume", "Resume", True),
)
"""Name, class and default of each layer, the outermost first. docs/middleware.md says why in this order."""


def stack(store: Store, *, policy: RetryPolicy | None = None, **layers: Layer) -> Store:
    """Wrap a store in the default stack.

    ::

        az.stack(store)                                    # all that is on by default
        az.stack(store, retry={"remember": 10_000})        # another argument for one layer
        az.stack(store, checksum=False)                    # without one layer
        az.stack(store, policy=RetryPolicy(attempts=3))
        az.stack(store, retry=lambda inner: MyRetry(inner))

    Args:
        store: what is wrapped; closed with the result.
        policy: for all layers that try again; its clock is that of the others too.
        **layers: ``name=True`` or ``False`` (``None``) for with and without, a mapping of arguments, or a function
            from the store below to the store with the layer. Names are those of :data:`ORDER`.

    Raises:
        TypeError: a layer that does not exist.
    """
    unknown = layers.keys() - {name for name, _, _ in ORDER}
    if unknown:
        known = ", ".join(name for name, _, _ in ORDER)
        raise TypeError(f"no such layer: {', '.join(sorted(unknown))} (known: {known})")
    package: Any = import_module(__name__.rpartition(".")[0])
    for name, cls, default in reversed(ORDER):
        layer = layers.get(name, default)
        if callable(layer):
            store = layer(store)
        elif layer or isinstance(layer, Mapping):
            shared = _shared(name, store, policy)
            store = getattr(package, cls)(store, **shared | dict(layer if isinstance(layer, Mapping) else {}))
    return store


def _shared(name: str, store: Store, policy: RetryPolicy | None) -> dict[str, Any]:
    """Arguments by which the layers of one stack act as one: the policy, its clock, its budget."""
    if name in ("idempotency", "retry", "resume"):
        return {"policy": policy}
    if name == "hedge":
        from .budget import RetryBudget

        budget = (policy and policy.budget) or RetryBudget.of(store)
        return {"budget": budget} | ({"clock": policy.clock} if policy else {})
    return {"clock": policy.clock} if policy and name in ("cache", "throttle") else {}
