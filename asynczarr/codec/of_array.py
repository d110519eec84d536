"""The codec chain of an array, from its metadata."""

from __future__ import annotations

from ..metadata.node import ArrayMetadata
from .base import ChunkSpec
from .chain import CodecChain

__all__ = ["chain_for"]


def chain_for(metadata: ArrayMetadata, shape: tuple[int, ...]) -> CodecChain:
    """The chain for chunks of `shape`, of either Zarr format.

    Raises:
        UnknownExtension: a codec that nobody registered.
        MetadataError: a wrong configuration, a wrong order, or a codec that cannot encode what it would be given.
    """
    spec = ChunkSpec(shape, metadata.data_type, metadata.fill)
    if metadata.v2 is None:
        return CodecChain.build(metadata.codecs, spec)
    # Arrays of v3 need nothing of numcodecs' many codecs.
    from .v2 import v2_chain

    return v2_chain(metadata.v2, spec)
