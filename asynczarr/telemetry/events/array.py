"""Events of arrays and groups."""

from __future__ import annotations

from dataclasses import dataclass

from ..spans import Kind
from .base import Event, Failed, Start, Stop

__all__ = ["ARRAY", "ArrayFailed", "ArrayStart", "ArrayStop", "CopyProgress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array(Event):
    """A call on an array, or on a group.

    Attributes:
        span: number of the call.
        store: URL of the store, without secrets.
        array: path of the array or group in the store.
        action: ``"open"``, ``"create"``, ``"read"``, ``"write"``, ``"append"``, ``"resize"``, ``"attributes"`` (a
            metadata edit), ``"copy"``.
    """

    span: int
    store: str
    array: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayStart(_Array, Start):
    """A call begins; the chunks and requests that it takes have it as parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayStop(_Array, Stop):
    """A call has returned.

    Attributes:
        duration: seconds since its start.
        nbytes: decoded bytes read or written; 0 for calls that only touch metadata.
    """

    duration: float
    nbytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFailed(Failed, _Array):
    """A call has raised, or was cancelled.

    Attributes:
        duration: seconds since its start.
    """

    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress(Event):
    """``copy`` has come further: what its ``progress=`` is told.

    Attributes:
        store: URL of the target, without secrets.
        arrays: arrays copied.
        groups: groups copied.
        objects: stored objects written.
        recoded: of these, how many were decoded and encoded again.
        nbytes: decoded bytes of what is done.
    """

    store: str
    arrays: int
    groups: int
    objects: int
    recoded: int
    nbytes: int


ARRAY = Kind(ArrayStart, ArrayStop, ArrayFailed)
