"""Stores of the chaos tests: a backend on the scripted server, bare or in the default stack."""

from __future__ import annotations

from typing import Any

import asynczarr as az
import asynczarr.store.s3.client  # reads files when it is imported: here, and not on an event loop
from asynczarr.middleware import RetryBudget, RetryPolicy
from asynczarr.store.base import Store
from asynczarr.store.s3 import S3Store
from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.fault_server import FaultServer

SOON = 60.0
"""Seconds in which what ends at once must have ended: a busy machine is slow, but what was left behind stays."""

__all__ = ["SOON", "bare", "quick", "stacked", "wrapped"]


def quick() -> RetryPolicy:
    """The default policy without its pauses, and with a budget of its own."""
    return RetryPolicy(transient=0.001, throttle=0.001, most_asked=0.0, budget=RetryBudget())


def bare(server: FaultServer | FaultProxy, **options: Any) -> Store:
    """The S3 backend: one attempt a call."""
    return S3Store(
        "bucket", endpoint_url=server.address, region="us-east-1", anonymous=True, addressing_style="path", **options
    )


def wrapped(store: Store, **layers: Any) -> Store:
    """The default stack without its pauses: no backoff, no pace. `layers` as ``az.stack`` takes them."""
    return az.stack(store, **{"policy": quick(), "throttle": False, **layers})


def stacked(server: FaultServer | FaultProxy, **layers: Any) -> Store:
    """The same around the S3 backend on a server."""
    return wrapped(bare(server), **layers)
