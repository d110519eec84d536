"""Codecs of other packages, found by entry point, run as ours; pickle is not among them."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import numpy as np
import pytest
from numcodecs.abc import Codec as LibraryCodec
from numcodecs.pickles import Pickle

from asynczarr.codec import external, registry
from asynczarr.codec.base import ChunkSpec
from asynczarr.codec.chain import CodecChain
from asynczarr.codec.v2 import v2_chain
from asynczarr.errors import CodecError, MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig, V2Encoding

zarr = pytest.importorskip("zarr")

from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec  # noqa: E402

BYTES = NamedConfig("bytes", {"endian": "little"})


class Invert(LibraryCodec):
    """Flips every bit; remembers the shape that it was given."""

    codec_id = "test-invert"
    shapes: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, repeat: int = 1) -> None:
        self.repeat = repeat

    def encode(self, buf: Any) -> Any:
        array = np.asarray(buf)
        self.shapes.append(array.shape)
        return ~np.frombuffer(array.tobytes(), "u1")

    def decode(self, buf: Any, out: Any = None) -> Any:
        return np.tile(~np.frombuffer(buf, "u1"), self.repeat)


class Disguised(Pickle):
    """pickle by another name."""

    codec_id = "test-disguised"


class _Zarr:
    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Any:
        if data.get("configuration"):
            raise ValueError("no configuration expected")
        return cls()

    def compute_encoded_size(self, size: int, _spec: Any) -> int:
        return size


class Negate(_Zarr, ArrayArrayCodec):
    """Synchronous."""

    def _encode_sync(self, chunk: Any, spec: Any) -> Any:
        return type(chunk).from_ndarray_like(-chunk.as_numpy_array())

    _decode_sync = _encode_sync


class Doubling(_Zarr, ArrayBytesCodec):
    """Asynchronous, and in need of an event loop."""

    async def _encode_single(self, chunk: Any, spec: Any) -> Any:
        data = await asyncio.to_thread(chunk.as_numpy_array().tobytes)
        return spec.prototype.buffer.from_bytes(data * 2)

    async def _decode_single(self, chunk: Any, spec: Any) -> Any:
        await asyncio.sleep(0)
        data = chunk.to_bytes()
        if data[: len(data) // 2] != data[len(data) // 2 :]:
            raise ValueError("halves differ")
        array = np.frombuffer(data[: len(data) // 2], spec.dtype.to_native_dtype()).reshape(spec.shape)
        return spec.prototype.nd_buffer.from_ndarray_like(array)


class Reverse(_Zarr, BytesBytesCodec):
    """Asynchronous without awaiting anything."""

    async def _encode_single(self, chunk: Any, spec: Any) -> Any:
        return spec.prototype.buffer.from_bytes(chunk.to_bytes()[::-1])

    _decode_single = _encode_single


ENTRIES = [
    *(
        EntryPoint(f"test-{cls.__name__.lower()}", f"{__name__}:{cls.__name__}", "zarr.codecs")
        for cls in (Negate, Doubling)
    ),
    EntryPoint("other-package", f"{__name__}:Reverse", "zarr.codecs.test-reverse"),
    EntryPoint("test-no-codec", "builtins:dict", "zarr.codecs"),
    EntryPoint("test-invert", f"{__name__}:Invert", "numcodecs.codecs"),
    EntryPoint("test-disguised", f"{__name__}:Disguised", "numcodecs.codecs"),
]


@pytest.fixture(autouse=True)
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from importlib.metadata import EntryPoints

    found = EntryPoints(ENTRIES)
    monkeypatch.setattr(external, "entry_points", lambda **by: found.select(**by) if by else found)
    monkeypatch.setattr(registry, "_codecs", dict(registry._codecs))
    external._zarr_entries.cache_clear()
    yield
    external._zarr_entries.cache_clear()


def build(*configs: NamedConfig, shape: tuple[int, ...] = (2, 3)) -> CodecChain:
    data_type = DataType.from_v3("int32")
    return CodecChain.build(configs, ChunkSpec(shape, data_type, data_type.default_fill()))


VALUES = np.arange(6, dtype="int32").reshape(2, 3)


def test_zarr_codecs_of_every_kind() -> None:
    chain = build(NamedConfig("test-negate"), NamedConfig("test-doubling"), NamedConfig("test-reverse"))
    encoded = bytes(chain.encode(VALUES))
    assert encoded == ((-VALUES).tobytes() * 2)[::-1]
    assert (chain.decode(encoded) == VALUES).all()
    assert [config.name for config in chain.to_configs()] == ["test-negate", "test-doubling", "test-reverse"]
    copy = pickle.loads(pickle.dumps(chain))
    assert (copy.decode(encoded) == VALUES).all()
    with pytest.raises(CodecError, match="halves differ") as caught:
        chain.decode(b"?" + encoded[1:])
    assert caught.value.codec == "test-doubling"


@pytest.mark.allow_blocking("a coroutine of zarr-python needs a loop of its own, for which the caller waits")
async def test_zarr_codecs_where_a_loop_is_running() -> None:
    chain = build(NamedConfig("test-doubling"))
    assert (chain.decode(VALUES.tobytes() * 2) == VALUES).all()
    with pytest.raises(CodecError, match="halves differ"):
        chain.decode(VALUES.tobytes() + (-VALUES).tobytes())


def test_zarr_codecs_refuse_their_configuration() -> None:
    with pytest.raises(MetadataError, match="no configuration expected") as caught:
        build(NamedConfig("test-negate", {"by": 1}), BYTES)
    assert caught.value.codec == "test-negate"
    with pytest.raises(MetadataError, match="no codec"):
        build(NamedConfig("test-no-codec"), BYTES)


def test_numcodecs_codecs_in_v3() -> None:
    chain = build(BYTES, NamedConfig("numcodecs.test-invert"))
    assert bytes(chain.encode(VALUES)) == (~VALUES).tobytes()
    assert (chain.decode((~VALUES).tobytes()) == VALUES).all()
    assert (pickle.loads(pickle.dumps(chain)).decode((~VALUES).tobytes()) == VALUES).all()
    with pytest.raises(UnknownExtension):
        build(BYTES, NamedConfig("test-invert"))
    with pytest.raises(MetadataError):
        build(BYTES, NamedConfig("numcodecs.test-invert", {"surprise": 1}))


def test_what_decodes_to_too_much_is_refused_afterwards() -> None:
    with pytest.raises(CodecError, match="decodes to 48 bytes"):
        build(BYTES, NamedConfig("numcodecs.test-invert", {"repeat": 2})).decode(VALUES.tobytes())


def test_numcodecs_codecs_in_v2_get_the_array_itself() -> None:
    data_type = DataType.from_v2("<i4")
    spec = ChunkSpec((2, 3), data_type, data_type.default_fill())
    config = {"id": "test-invert", "repeat": 1}
    Invert.shapes.clear()
    first = v2_chain(V2Encoding("C", None, config), spec)
    assert (first.decode(bytes(first.encode(VALUES))) == VALUES).all()
    later = v2_chain(V2Encoding("C", ({"id": "zlib", "level": 1},), config), spec)
    assert (later.decode(bytes(later.encode(VALUES))) == VALUES).all()
    assert Invert.shapes[0] == (2, 3)
    assert len(Invert.shapes[1]) <= 1
    assert (pickle.loads(pickle.dumps(first)).decode((~VALUES).tobytes()) == VALUES).all()
    with pytest.raises(CodecError, match="expected 24"):
        v2_chain(V2Encoding("C", None, config | {"repeat": 2}), spec).decode((~VALUES).tobytes())


def test_pickle_under_another_name() -> None:
    with pytest.raises(UnknownExtension, match="pickle"):
        build(BYTES, NamedConfig("numcodecs.test-disguised"))
    data_type = DataType.from_v2("<i4")
    with pytest.raises(UnknownExtension, match="pickle"):
        v2_chain(V2Encoding("C", None, {"id": "test-disguised"}), ChunkSpec((2,), data_type, data_type.default_fill()))
