"""Events of codec chains. Called behind ``if hooks.active:``."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..telemetry import events, hooks

if TYPE_CHECKING:
    from .chain import CodecChain

__all__ = ["coded"]


def coded(
    kind: type[events.Encode | events.Decode],
    chain: CodecChain,
    begun: float,
    nbytes_in: int,
    nbytes_out: int,
    chunks: int = 1,
) -> None:
    """A chain has worked since `begun`, in seconds of ``time.monotonic()``."""
    sizes: dict[str, Any] = {"nbytes_in": nbytes_in, "nbytes_out": nbytes_out, "chunks": chunks}
    hooks.emit(kind(codecs=chain.names, duration=monotonic() - begun, **sizes))
