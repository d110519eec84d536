"""What the parts of the contract ask of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import pytest

from ..errors import KeyInvalid
from ..store.base import Store
from ..types import ByteRange, BytesLike

__all__ = ["names_of", "need", "refuses", "value_of"]


async def value_of(store: Store, key: str, byte_range: ByteRange | None = None) -> BytesLike:
    """A value, or a part of it, that must be there."""
    value = await store.get(key, byte_range)
    assert value is not None, key
    return value


async def names_of(names: AsyncIterator[str]) -> list[str]:
    """All names of a listing, sorted."""
    return sorted([name async for name in names])


async def refuses(call: Awaitable[object]) -> bool:
    """Whether a call is refused because of its key."""
    try:
        await call
    except KeyInvalid:
        return True
    return False


def need(store: Store, capability: str) -> None:
    """Skip the test if the store has no such capability."""
    if not getattr(store.capabilities, capability):
        pytest.skip(f"the store has no {capability}")
