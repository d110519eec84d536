"""Every metadata document of the real stores parses, or is refused for a reason that is written here."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynczarr.errors import MetadataError
from asynczarr.metadata import ArrayMetadata, encode_node
from asynczarr.metadata.v2 import parse_array, parse_consolidated, parse_group
from asynczarr.metadata.v3 import parse_node

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FILES = ("zarr.json", ".zarray", ".zgroup", ".zmetadata")

REFUSED = {
    "unknown data type 'zarrs.optional'": 48,  # an experiment of zarrs, which no other reader knows
    "missing members ['codecs']": 6,  # v3 from before its format was final
    "codecs: at least one is needed": 1,  # the same
    "not a fill value of data type 'bool': 0": 4,  # the same
    "zarr_consolidated_format must be 1": 7,  # references of kerchunk, which are no Zarr hierarchy
    "not a JSON document": 1,  # a single-quoted string, malformed on purpose
}
"""Start of the message, and how many documents it is for."""


def documents() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The files of each node: its path, and the documents by name."""
    for archive in sorted(DATA.glob("*.tar.gz")):
        files: dict[str, bytes] = {}
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if not member.isfile() or not (name in (*FILES, ".zattrs") or name.endswith(".zip")):
                    continue
                data = tar.extractfile(member)
                assert data is not None
                content = data.read()
                if name.endswith(".zip"):
                    files |= {f"{member.name}!{k}": v for k, v in zip_documents(content).items()}
                else:
                    files[member.name] = content
        for name, content in files.items():
            file = name.rpartition("/")[2].rpartition("!")[2]
            if file in FILES:
                zattrs = f"{name.removesuffix(file)}.zattrs"
                yield f"{archive.name}:{name}", {"document": content, ".zattrs": files.get(zattrs, b"{}")}


def zip_documents(content: bytes) -> dict[str, bytes]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return {}  # a Git LFS pointer in one archive
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.rpartition("/")[2] in (*FILES, ".zattrs")]
        return {name: archive.read(name) for name in names}


def parse(name: str, files: dict[str, bytes]):
    if name.endswith("zarr.json"):
        return parse_node(files["document"], name)
    if name.endswith(".zarray"):
        return parse_array(files["document"], files[".zattrs"], name)
    if name.endswith(".zgroup"):
        return parse_group(files["document"], files[".zattrs"], name)
    return parse_consolidated(files["document"], name)


@pytest.mark.skipif(not DATA.is_dir(), reason="the archives of real stores are not here")
def test_every_real_document_parses_or_is_refused_for_a_known_reason(capsys):
    parsed: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for name, files in documents():
        try:
            node = parse(name, files)
        except MetadataError as error:
            text = f"{error}" if error.key else f"no key: {error}"
            refused[next((reason for reason in REFUSED if text.startswith(reason)), text)] += 1
            continue
        if node.zarr_format == 3 or not name.endswith(".zmetadata"):
            encode_node(node)
        kind = "array" if isinstance(node, ArrayMetadata) else "group"
        parsed[f"v{node.zarr_format} {kind}"] += 1
        for path in getattr(node, "consolidated", None) or ():
            node.consolidated[path]
            parsed[f"v{node.zarr_format} consolidated"] += 1
    with capsys.disabled():
        print(f"\nreal documents: parsed {dict(parsed)}, refused {dict(refused)}")
    assert dict(refused) == REFUSED
    assert sum(parsed.values()) == 1598
