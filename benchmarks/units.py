"""What is measured: one unit for each workload, layout, codec and store, and the plans that list them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from .layout import Grid

__all__ = ["COMPARED", "PLANS", "Plan", "Unit", "units_by_name"]

COMPARED = ("read", "slab", "stream", "tenth", "random", "burst", "write", "partial", "open", "tree")
"""Works whose times are compared with those of the peers."""

_ALL = ("1M", "128K", "16K", "4K", "128K/8M", "16K/8M")
_MAIN = ("1M", "128K", "16K", "128K/8M", "16K/8M")
_SHARDED = ("128K/8M", "16K/8M")
_SMALL = 64
"""MiB of arrays where the whole matrix would take hours: 4 KiB chunks, codecs other than zstd, writes, memory."""

_LARGE = 256

_PEERS = ("asynczarr", "zarr", "zarr-fused", "zarr-zarrs", "zarrista", "zarrista-async", "tensorstore")
_OURS = ("asynczarr",)
_ON_LOOP = ("asynczarr", "zarr", "zarr-fused", "zarrista-async", "tensorstore")
"""Those with calls that can be awaited."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that every peer does, and whose times are compared.

    Attributes:
        work: what is done; a key of ``works.WORKS``.
        layout: size of the chunks, and of the shards after a slash.
        codec: a key of ``layout.CODECS``.
        store: ``"file"``, ``"memory"``, or ``"synthetic"`` for an array that is nowhere.
        mebibytes: size of the array.
        count: how many reads, opens or chunks, where the work has such a number.
        concurrency: how much may be in flight; ``None`` leaves each peer its best setting.
        durability: of writes, ``"none"`` (the page cache will do) or ``"full"`` (fsync).
        fresh: in a new process each time, for the memory it takes.
        only: peers that take part, empty for all.
        runs: how often at most; ``None`` as the plan says.
    """

    work: str
    layout: str = ""
    codec: str = "zstd"
    store: str = "file"
    mebibytes: int = _SMALL
    count: int = 0
    concurrency: int | None = None
    durability: str = "none"
    fresh: bool = False
    only: tuple[str, ...] = ()
    runs: int | None = None

    @property
    def name(self) -> str:
        """Unique in a plan, and what ``--only`` looks at."""
        words = [self.work, self.store, self.layout, self.codec, f"{self.mebibytes}MiB"]
        words += [f"n={self.count}"] * (self.count > 0)
        words += [f"slots={self.concurrency}"] * (self.concurrency is not None)
        words += ["fsync"] * (self.durability == "full")
        words += ["fresh"] * self.fresh
        return " ".join(word for word in words if word)

    @property
    def grid(self) -> Grid:
        """How the array is cut."""
        return Grid.of(self.layout, self.mebibytes)

    @property
    def compared(self) -> bool:
        """Whether its time is compared with that of the peers; the other units are there for other figures."""
        return self.work in COMPARED and not self.fresh and self.concurrency is None

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """What ``dataclasses.asdict`` made."""
        return cls(**{**record, "only": tuple(record["only"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of the suite does.

    Attributes:
        units: in order.
        runs: how often each peer does each unit, after one run to warm up.
        patience: seconds a peer may spend on a unit before it has to be among the fast ones to go on.
        peers: names of the peers, asynczarr first.
    """

    units: list[Unit]
    runs: int
    patience: float
    peers: tuple[str, ...]


def _reads() -> list[Unit]:
    matrix = [Unit("read", layout, codec) for codec in ("none", "blosc", "gzip") for layout in _ALL]
    memory = [Unit("read", layout, "zstd", "memory") for layout in ("128K", "16K", "128K/8M")]
    large = [Unit("read", layout, mebibytes=_SMALL if layout == "4K" else _LARGE) for layout in _ALL]
    return [*large, *matrix, *memory, Unit("read", "128K", "none", "memory")]


def _writes() -> list[Unit]:
    # A thousand files: a file system may take a millisecond to make one, whoever asks.
    zstd = [Unit("write", layout, mebibytes={"16K": 16, "4K": 4}.get(layout, _SMALL)) for layout in _ALL]
    codecs = [Unit("write", layout, codec) for codec in ("none", "blosc", "gzip") for layout in ("128K", "128K/8M")]
    durable = [Unit("write", layout, durability="full") for layout in ("1M", "128K/8M")]
    partial = [Unit("partial", layout, mebibytes=128, count=16) for layout in _SHARDED]
    return [*zstd, *codecs, Unit("write", "128K", store="memory"), *durable, *partial]


def _parts() -> list[Unit]:
    streams = [Unit("stream", layout, mebibytes=_SMALL if layout == "4K" else _LARGE) for layout in _ALL]
    slabs = [Unit(work, layout) for work in ("slab", "tenth") for layout in _ALL]
    random = [
        Unit("random", layout, mebibytes=_LARGE, count=2000 if layout in ("128K", "128K/8M") else 500)
        for layout in _MAIN
    ]
    burst = [Unit("burst", layout, mebibytes=_LARGE, count=1000) for layout in ("128K", "128K/8M")]
    return [*streams, Unit("stream", "128K", store="memory"), *slabs, *random, *burst]


def _nodes() -> list[Unit]:
    opens = [Unit("open", layout, count=50) for layout in ("128K", "128K/8M")]
    return [*opens, Unit("tree", "consolidated"), Unit("tree", "listed")]


def _behaviour() -> list[Unit]:
    memory = [
        Unit(work, layout, mebibytes=_LARGE, fresh=True, runs=2)
        for work in ("read", "stream")
        for layout in ("128K", "16K", "128K/8M")
    ]
    lag = [Unit("lag", layout, mebibytes=_LARGE, only=_ON_LOOP, runs=2) for layout in _MAIN]
    echo = [
        Unit("echo", layout, mebibytes=_LARGE, concurrency=slots, only=_ON_LOOP, runs=2)
        for layout in ("128K", "16K")
        for slots in (1, None)
    ]
    return [*memory, *lag, *echo]


def _growth() -> list[Unit]:
    slots = ("asynczarr", "zarr", "zarr-fused", "zarrista", "tensorstore")
    first = [Unit("first", layout, only=_OURS, runs=25) for layout in _MAIN]
    first += [_synthetic("first-of", count=10**power, runs=25) for power in (2, 4, 6)]
    chunks = [
        _synthetic(work, count=10**power, fresh=True, runs=3 if power < 6 else 1)
        for work in ("chunks", "cuts")
        for power in range(2, 7)
    ]
    width = [
        Unit("read", layout, concurrency=2**power, only=slots, runs=3)
        for layout in ("128K", "16K")
        for power in range(7)
    ]
    sizes = [_synthetic("size", "1M", mebibytes=64 * 4**power, fresh=True, runs=3) for power in range(4)]
    stages = [Unit("stages", layout, only=_OURS, runs=5) for layout in _ALL]
    return [*first, *chunks, *width, *sizes, *stages]


def _synthetic(work: str, layout: str = "", **options: Any) -> Unit:
    return Unit(work, layout, store="synthetic", only=_OURS, **options)


def _quick() -> list[Unit]:
    """A few of each kind, small."""
    return [replace(unit, **_smaller(unit)) for unit in _full() if _in_quick(unit)]


def _in_quick(unit: Unit) -> bool:
    if unit.work in ("lag", "echo"):
        return unit.layout == "16K" and (unit.work == "lag" or unit.concurrency == 1)
    if unit.work in ("chunks", "cuts", "first-of", "size"):
        return unit.count <= 10**4 and unit.mebibytes <= _LARGE
    if unit.fresh or unit.store == "memory" or unit.durability == "full":
        return unit.layout == "128K" and unit.codec == "zstd"
    if unit.concurrency is not None:
        return unit.layout == "128K" and unit.concurrency in (1, 8)
    if unit.codec != "zstd":
        return unit.work == "read" and unit.layout == "128K"
    if unit.work in ("read", "stream"):
        return unit.layout != "4K"
    return unit.layout in ("128K", "128K/8M", "consolidated", "listed") or (
        unit.work == "tenth" and unit.layout == "16K"
    )


def _smaller(unit: Unit) -> dict[str, Any]:
    if unit.work == "size":
        return {"runs": 1}
    smaller: dict[str, Any] = {"mebibytes": 32}
    if unit.work in ("random", "burst"):
        smaller["count"] = 100
    if unit.work in ("open", "partial"):
        smaller["count"] = 4
    if unit.fresh or unit.work in ("lag", "echo"):
        smaller["runs"] = 1
    return smaller


def _full() -> list[Unit]:
    return [*_reads(), *_writes(), *_parts(), *_nodes(), *_behaviour(), *_growth()]


def _older() -> list[Unit]:
    """What is repeated on another interpreter, where zarr-python 3.1 is the newest."""
    layouts = ("1M", "128K", "16K", "128K/8M")
    reads = [Unit("read", layout) for layout in (*layouts, "4K")]
    rest = [Unit(work, layout) for work in ("stream", "slab", "tenth") for layout in layouts]
    rest += [Unit("write", layout) for layout in ("1M", "128K", "128K/8M")]
    random = [Unit("random", layout, count=200) for layout in ("128K", "128K/8M")]
    lag = [Unit("lag", layout, only=_ON_LOOP, runs=2) for layout in ("128K", "16K")]
    return [*reads, *rest, *random, *_nodes(), *lag]


PLANS: dict[str, Callable[[], Plan]] = {
    "full": lambda: Plan(_full(), 7, 1.5, _PEERS),
    "quick": lambda: Plan(_quick(), 3, 0.1, _PEERS),
    "older": lambda: Plan(_older(), 7, 1.5, ("asynczarr", "zarr")),
}
"""``full`` for Python 3.13, ``older`` for what only an older Python runs, ``quick`` for a look in under two minutes."""


def units_by_name() -> dict[str, Unit]:
    """Every unit of every plan."""
    return {unit.name: unit for plan in PLANS.values() for unit in plan().units}
