"""CRC-32C as the services write it."""

from __future__ import annotations

from base64 import b64encode

from ...types import BytesLike

__all__ = ["crc32c"]


def crc32c(data: BytesLike) -> str:
    """Base64 of the checksum, most significant byte first."""
    import google_crc32c

    return b64encode(google_crc32c.value(data if isinstance(data, bytes) else bytes(data)).to_bytes(4, "big")).decode()
