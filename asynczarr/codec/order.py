"""Which codec may follow which (v3 specification, "Codecs")."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import MetadataError
from .base import Codec

__all__ = ["check_order"]

_RANK = {"array->array": 0, "array->bytes": 1, "bytes->bytes": 2}


def check_order(codecs: Sequence[Codec]) -> None:
    """Array -> array codecs, one array -> bytes codec, bytes -> bytes codecs; or MetadataError is raised."""
    if not codecs:
        raise MetadataError("a codec chain needs an array -> bytes codec; it is empty")
    rank = 0
    for codec in codecs:
        here = _RANK[codec.kind]
        if here < rank:
            raise MetadataError(f"an {codec.kind} codec cannot follow one that makes bytes", codec=codec.name)
        if here == rank == 1:
            raise MetadataError("a codec chain has one array -> bytes codec, this is the second", codec=codec.name)
        if here == 2 and rank == 0:
            raise MetadataError("a bytes -> bytes codec needs an array -> bytes codec before it", codec=codec.name)
        rank = here
    if rank == 0:
        raise MetadataError("a codec chain needs an array -> bytes codec", codec=codecs[-1].name)
