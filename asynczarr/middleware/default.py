"""The default stack: policies around a store in an order that makes sense, each of them replaceable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias, cast

from ..store.base import Store
from .policy import RetryPolicy

__all__ = ["ORDER", "Layer", "stack"]

Layer: TypeAlias = bool | Mapping[str, Any] | Callable[[Store], Store] | None
"""A layer as :func:`stack` takes it: by default or not at all, with arguments, or something else in its place."""

ORDER: tuple[tuple[str, str, bool], ...] = (
    ("telemetry", "Telemetry", True),
    ("deadline", "Deadline", True),
    ("idempotency", "Idempotency", True),
    ("retry", "Retry", True),
    ("attempt_deadline", "AttemptDeadline", True),
    ("checksum", "Checksum", True),
    ("resume", "Resume", True),
)
"""Name, class and default of each layer, the outermost first. docs/middleware.md says why in this order."""

_FILES = {"attempt_deadline": "deadline"}
_WITH_POLICY = frozenset({"idempotency", "retry", "resume"})


def stack(store: Store, *, policy: RetryPolicy | None = None, **layers: Layer) -> Store:
    """Wrap a store in the default stack.

    ::

        az.stack(store)                                    # all that is on by default
        az.stack(store, retry={"remember": 10_000})        # another argument for one layer
        az.stack(store, checksum=False)                    # without one layer
        az.stack(store, policy=az.RetryPolicy(attempts=3))
        az.stack(store, retry=lambda inner: MyRetry(inner))

    Args:
        store: what is wrapped; closed with the result.
        policy: for all layers that try again.
        **layers: ``name=True`` or ``False`` (``None``) for with and without, a mapping of arguments, or a function
            from the store below to the store with the layer. Names are those of :data:`ORDER`.

    Raises:
        TypeError: a layer that does not exist.
    """
    unknown = layers.keys() - {name for name, _, _ in ORDER}
    if unknown:
        known = ", ".join(name for name, _, _ in ORDER)
        raise TypeError(f"no such layer: {', '.join(sorted(unknown))} (known: {known})")
    for name, cls, default in reversed(ORDER):
        layer = layers.get(name, default)
        if callable(layer):
            store = layer(store)
        elif layer or isinstance(layer, Mapping):
            make = cast("Callable[..., Store]", getattr(import_module(f".{_FILES.get(name, name)}", __package__), cls))
            options = dict(layer) if isinstance(layer, Mapping) else {}
            if name in _WITH_POLICY:
                options.setdefault("policy", policy)
            store = make(store, **options)
    return store
