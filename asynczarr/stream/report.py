"""What ``write_stream()`` reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import AsyncZarrError
from .item import Where

__all__ = ["FailedItem", "WriteReport"]


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item of the source that is not, or not wholly, in the array.

    Attributes:
        number: its place in the source, from 0.
        where: index or region as the source gave it.
        error: why.
    """

    number: int
    where: Where
    error: AsyncZarrError


@dataclass(slots=True)
class WriteReport:
    """What ``write_stream`` has done.

    Attributes:
        items: items taken from the source.
        written: stored objects (chunks, or shards) written.
        rewritten: of these, how many had to be merged with what was stored.
        skipped: items left out because the checkpoint says that all their objects have them.
        nbytes: decoded bytes of the items written.
        failed: items that failed, in order of their number.
    """

    items: int = 0
    written: int = 0
    rewritten: int = 0
    skipped: int = 0
    nbytes: int = 0
    failed: list[FailedItem] = field(default_factory=list)
