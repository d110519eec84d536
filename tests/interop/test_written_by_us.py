"""What asynczarr writes is what others read: every data type, codec, format and form of sharding it offers.

Of every array each peer either finds the same values, or `unreadable.py` says why it does not. A peer that learns to
read more breaks no test, one that reads less or other values does. ``ASYNCZARR_INTEROP=full`` tries more combinations.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import asynczarr as az
from asynczarr.codec.numcodecs_ import IDS
from asynczarr.codec.registry import _codecs
from asynczarr.metadata.dtypes import DataType, registry

from .combinations import V2_CODECS, V3_CODECS, Combination, every_codec, every_layout
from .peers import PEERS, ZarritaJS, need_peers
from .samples import SHAPE, V2_TYPES, V3_TYPES
from .unreadable import why_not
from .values import canonical

PARTS: dict[str, Callable[[], Iterable[Combination]]] = {
    "v3, chunks": lambda: every_codec(3, "chunks"),
    "v3, shards": lambda: every_codec(3, "shards"),
    "v2, order C": lambda: every_codec(2, "order C"),
    "v2, order F": lambda: every_codec(2, "order F"),
    "layouts and shapes": every_layout,
}

LEAST_EQUAL = {
    "v3, chunks": {"zarr-python": 300, "tensorstore": 150, "zarrista": 400},
    "v3, shards": {"zarr-python": 200, "tensorstore": 80, "zarrista": 200},
    "v2, order C": {"zarr-python": 300, "tensorstore": 40, "zarrista": 60},
    "v2, order F": {"zarr-python": 150, "tensorstore": 30, "zarrista": 30},
    "layouts and shapes": {"zarr-python": 80, "tensorstore": 60, "zarrista": 80},
}
"""Arrays that each peer must read, so that no list of reasons can grow until nothing is left."""


@pytest.fixture(autouse=True)
def _peers(skip_or_fail: Callable[[str], NoReturn]) -> None:
    need_peers(skip_or_fail)


async def save(combination: Combination, folder: Path) -> az.Array:
    """Write the array in memory, check that we read it, and copy it to a folder."""
    store = az.MemoryStore()
    await combination.create(store)
    array = await az.open_array(store)
    if combination.lossless:
        written = await array[combination.written].read()
        assert canonical(written) == canonical(combination.values[combination.written]), combination.label
    async for key in store.list(""):
        value = await store.get(key)
        assert value is not None
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(value)
    return array


class Verdicts:
    """What became of each array at each peer."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in (*PEERS, ZarritaJS.name)}
        self.wrong: list[str] = []
        self.unread: dict[str, str] = {}

    def judge(self, peer: str, combination: Combination, found: Any, values: Any) -> None:
        """Compare what a peer found, values or an exception, with what it had to find."""
        reason = why_not(peer, combination)
        failed = isinstance(found, Exception)
        if not failed and found == values:
            self.counts[peer]["equal"] += 1
            self.counts[peer]["better"] += reason is not None
            self.unread.pop(combination.label, None)
        elif reason is not None and (failed or reason.wrong_values):
            self.counts[peer][reason.text] += 1
        else:
            self.wrong.append(f"{peer}: {combination.label}: {str(found)[:300] if failed else 'other values'}")

    def lines(self) -> Iterator[str]:
        """A report."""
        for peer, counts in self.counts.items():
            equal, better = counts.pop("equal", 0), counts.pop("better", 0)
            if equal:
                more = f", {better} of them although unreadable.py says otherwise" if better else ""
                yield f"  {peer}: {equal} equal{more}, {counts.total()} not read"
                yield from (f"      {count:5} {reason}" for reason, count in counts.most_common())
        codecs = Counter(self.unread.values()).most_common()
        yield f"  read by no peer: {len(self.unread)} (" + ", ".join(f"{n} {codec}" for codec, n in codecs) + ")"


@pytest.mark.parametrize("part", PARTS)
async def test_others_read_the_same(part: str, tmp_path: Path, report: Callable[[str], None]) -> None:
    verdicts, js = Verdicts(), ZarritaJS()
    total, arrays, expected = 0, [], []
    for total, combination in enumerate(PARTS[part](), 1):
        folder = tmp_path / str(total)
        array = await save(combination, folder)
        values = canonical(await array.read())
        verdicts.unread[combination.label] = combination.codec
        for name, peer in PEERS.items():
            try:
                found = peer.read(folder, combination.zarr_format, array.dtype)
            except Exception as error:  # libraries raise what they like
                found = error
            verdicts.judge(name, combination, found, values)
        # What zarrita.js is known not to read can crash the process that reads all the others.
        reason = why_not(js.name, combination)
        if reason is not None:
            verdicts.counts[js.name][reason.text] += 1
        elif js.available:
            arrays.append((folder, combination.zarr_format, array.dtype))
            expected.append((combination, values))
    if js.available:
        for found, (combination, values) in zip(js.read(arrays), expected, strict=True):
            verdicts.judge(js.name, combination, found, values)
    equal = {name: verdicts.counts[name]["equal"] for name in PEERS}
    report(f"{part}: {total} arrays\n" + "\n".join(verdicts.lines()))
    assert not verdicts.wrong, "\n".join(verdicts.wrong)
    assert all(equal[name] >= least for name, least in LEAST_EQUAL[part].items())


def test_versions(report: Callable[[str], None]) -> None:
    """Which peers these are; a visible skip if zarrita.js is not among them."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    names = [f"{peer.name} {peer.version}" for peer in PEERS.values()]
    js = ZarritaJS()
    report(", ".join([python, *names, *([f"{js.name} {js.version}"] if js.available else [])]))
    if not js.available:
        pytest.skip(
            "zarrita.js: no node, or no node_modules/zarrita where the variable ZARRITA_JS says (npm install zarrita)"
        )


def test_nothing_is_left_out() -> None:
    """Every registered data type and codec is among the combinations."""
    data_types = {DataType.from_numpy(each).name for each in V3_TYPES.values()}
    aliases = {"binary", "variable_length_bytes", "variable_length_utf8", "structured"}  # read, not written
    assert set(registry._FACTORIES) - aliases <= data_types
    names = {label.partition(",")[0] for label in V3_CODECS}
    assert set(_codecs) - {"endian", "sharding_indexed"} <= names | {f"numcodecs.{name}" for name in IDS}
    assert {f"numcodecs.{name}" for name in IDS} <= names
    in_v2 = {label.partition(",")[0] for label in V2_CODECS} | {"vlen-utf8", "vlen-bytes"}
    assert set(IDS) - {"vlen-array"} <= in_v2  # of objects that only others can write


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_what_is_not_offered_is_refused(zarr_format: int) -> None:
    """Data types that a codec does not encode: a typed error when the array is created, and nothing is stored."""
    codecs, types = (V3_CODECS, V3_TYPES) if zarr_format == 3 else (V2_CODECS, V2_TYPES)
    accepted = []
    for name, codec in codecs.items():
        for label in set(types) - codec.types - ({"<c8", ">c8", "<c16", ">c16"} if name == "astype" else set()):
            store = az.MemoryStore()
            try:
                made = codec.make(DataType.from_numpy(types[label], zarr_format=2 if zarr_format == 2 else 3))
                arguments = {"codecs": made} if zarr_format == 3 else made
                await az.create_array(store, shape=SHAPE, dtype=types[label], zarr_format=zarr_format, **arguments)
                accepted.append(f"{name} for {label}")
            except az.AsyncZarrError:
                assert [key async for key in store.list("")] == []
    assert not accepted
