"""Four bytes of checksum before or after the data: crc32, adler32, crc32c, fletcher32, jenkins_lookup3."""

from __future__ import annotations

import zlib
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ...errors import CodecError
from ...types import BytesLike
from ..base import BytesBytesCodec, CodecKind
from .base import Configured, Parameter, Parameters, integer, one_of

__all__ = ["Adler32", "Crc32", "Crc32c", "Fletcher32", "JenkinsLookup3"]


class _Checksum(Configured, BytesBytesCodec):
    """A checksum, little-endian, at the ``location`` of the configuration, else at the end."""

    __slots__ = ()
    kind: ClassVar[CodecKind] = "bytes->bytes"

    @abstractmethod
    def _checksum(self, data: BytesLike) -> int:
        """The checksum of `data`, 32 bits."""

    def encoded_size(self, size: int) -> int:
        """Four bytes more."""
        return size + 4

    def max_encoded_size(self, size: int) -> int:
        """Four bytes more."""
        return size + 4

    def encode(self, data: BytesLike) -> bytes:
        """The data and its checksum."""
        checksum = self._checksum(data).to_bytes(4, "little")
        return b"".join((checksum, data) if self.config.get("location") == "start" else (data, checksum))

    def decode(self, data: BytesLike, max_size: int) -> memoryview:
        """The data, without a copy.

        Raises:
            CodecError: fewer than four bytes, too many, or a checksum that does not fit.
        """
        if not 4 <= len(data) <= max_size + 4:
            raise CodecError(f"{len(data)} bytes, expected between 4 and {max_size + 4}")
        view = memoryview(data)
        at_start = self.config.get("location") == "start"
        stored, body = (view[:4], view[4:]) if at_start else (view[-4:], view[:-4])
        expected, computed = int.from_bytes(stored, "little"), self._checksum(body)
        if expected != computed:
            raise CodecError(f"checksum mismatch: stored {expected:08x}, computed {computed:08x}")
        return body


class Crc32(_Checksum):
    """The CRC-32 of zlib, at the start by default."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.crc32"
    parameters: ClassVar[Parameters] = {"location": one_of("start", "end", default="start")}

    def _checksum(self, data: BytesLike) -> int:
        return zlib.crc32(data)


class Adler32(_Checksum):
    """Adler-32, at the start by default."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.adler32"
    parameters: ClassVar[Parameters] = {"location": one_of("start", "end", default="start")}

    def _checksum(self, data: BytesLike) -> int:
        return zlib.adler32(data)


class Crc32c(_Checksum):
    """CRC-32C, at the end by default."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.crc32c"
    parameters: ClassVar[Parameters] = {"location": one_of("start", "end", default="end")}

    def _checksum(self, data: BytesLike) -> int:
        import google_crc32c

        # The library takes bytes and arrays, but no memoryviews.
        return int(google_crc32c.value(np.frombuffer(data, np.uint8)))  # type: ignore[arg-type,unused-ignore]  # stub: bytes


class Fletcher32(_Checksum):
    """The Fletcher checksum of HDF5."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.fletcher32"

    def _checksum(self, data: BytesLike) -> int:
        from numcodecs.fletcher32 import Fletcher32

        encoded: Any = Fletcher32().encode(data)
        return int.from_bytes(bytes(encoded[-4:]), "little")


class JenkinsLookup3(_Checksum):
    """Bob Jenkins' lookup3, as in HDF5, over an optional ``prefix`` and the data."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.jenkins_lookup3"
    parameters: ClassVar[Parameters] = {
        "initval": integer(0, 2**32 - 1, 0),
        "prefix": Parameter(
            lambda value: isinstance(value, list) and all(type(byte) is int and 0 <= byte < 256 for byte in value),
            "a list of bytes",
            None,
        ),
    }

    def _checksum(self, data: BytesLike) -> int:
        from numcodecs.jenkins import jenkins_lookup3

        body = np.frombuffer(data, np.uint8)
        if self.config["prefix"]:
            body = np.concatenate([np.array(self.config["prefix"], np.uint8), body])
        return int(jenkins_lookup3(body, self.config["initval"]))
