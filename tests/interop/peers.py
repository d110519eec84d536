"""Other Zarr libraries, each as a function from a folder to values in the canonical form."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np

from .values import canonical

__all__ = ["PEERS", "Peer", "Tensorstore", "ZarrPython", "Zarrista", "ZarritaJS", "need_peers"]


class Peer(Protocol):
    """A library that reads Zarr."""

    name: str

    @property
    def version(self) -> str: ...

    def read(self, folder: Path, zarr_format: int, dtype: np.dtype[Any]) -> Any:
        """The values of the array in a folder, in the canonical form; raises whatever the library raises."""
        ...


class ZarrPython:
    name = "zarr-python"

    @property
    def version(self) -> str:
        return f"{version('zarr')} with numcodecs {version('numcodecs')}"

    def read(self, folder: Path, zarr_format: int, dtype: np.dtype[Any]) -> Any:
        import zarr

        with warnings.catch_warnings(), zarr.config.set({"array.rectilinear_chunks": True}):
            warnings.simplefilter("ignore")
            return canonical(np.asarray(zarr.open_array(folder, mode="r", zarr_format=zarr_format)[...]))


class Tensorstore:
    name = "tensorstore"

    @property
    def version(self) -> str:
        return version("tensorstore")

    def read(self, folder: Path, zarr_format: int, dtype: np.dtype[Any]) -> Any:
        import tensorstore

        driver = "zarr3" if zarr_format == 3 else "zarr"
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(folder)}}
        return canonical(tensorstore.open(spec, read=True, open=True).result().read().result())


class Zarrista:
    """The Python binding of zarrs."""

    name = "zarrista"

    @property
    def version(self) -> str:
        return version("zarrista")

    def read(self, folder: Path, zarr_format: int, dtype: np.dtype[Any]) -> Any:
        import zarrista

        array = zarrista.Array.open(zarrista.store.FilesystemStore(str(folder)))
        values = array.retrieve_array_subset(())
        if isinstance(values, zarrista.VariableLengthTensor):
            return canonical(np.asarray(values.to_numpy()))
        # Its NumPy conversion lacks data types that NumPy lacks; the bytes are there for all, in native order.
        return canonical(np.frombuffer(bytes(values.buffer()), dtype.newbyteorder("=")))


PEERS: Mapping[str, Peer] = {peer.name: peer for peer in (ZarrPython(), Tensorstore(), Zarrista())}


def need_peers(skip_or_fail: Callable[[str], NoReturn]) -> None:
    """Skip, or fail, where one of them is not installed."""
    for module in ("zarr", "tensorstore", "zarrista"):
        if find_spec(module) is None:
            skip_or_fail(f"{module} is not installed")


class ZarritaJS:
    """zarrita.js in node, from ``node_modules`` of the folder that ``ZARRITA_JS`` names or of this repository.

    It reads many arrays in one process, so it has another interface than the others. Nothing is downloaded:
    ``npm install zarrita`` is left to whoever wants this peer.
    """

    name = "zarrita.js"
    home = Path(os.environ.get("ZARRITA_JS", Path(__file__).parents[2]))

    @property
    def available(self) -> bool:
        return shutil.which("node") is not None and (self.home / "node_modules" / "zarrita").is_dir()

    @property
    def version(self) -> str:
        return str(json.loads((self.home / "node_modules" / "zarrita" / "package.json").read_text())["version"])

    def read(self, arrays: Sequence[tuple[Path, int, np.dtype[Any]]]) -> list[Any]:
        """Of each array the values in the canonical form, or an exception."""
        program = Path(__file__).with_name("zarrita_read.mjs").read_text()
        done = subprocess.run(
            ["node", "--input-type=module", "--eval", program],
            cwd=self.home,
            input=json.dumps([(str(folder), zarr_format) for folder, zarr_format, _ in arrays]),
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [self._values(line, dtype) for line, (_, _, dtype) in zip(lines, arrays, strict=True)]

    def _values(self, line: dict[str, Any], dtype: np.dtype[Any]) -> Any:
        if "error" in line:
            return RuntimeError(line["error"])
        if "base64" in line:
            # Numbers in the byte order of the machine.
            found = np.frombuffer(base64.b64decode(line["base64"]), dtype.newbyteorder("="))
        elif dtype.kind == "S":
            found = np.array([item.encode("latin-1") for item in line["list"]], dtype)
        else:
            found = np.array(line["list"], object)
        # A transposed array comes in the order in which it is stored.
        axes = sorted(range(len(line["shape"])), key=lambda axis: -line["stride"][axis])
        stored = found.reshape([line["shape"][axis] for axis in axes])
        return canonical(stored.transpose(np.argsort(axes).tolist()))
