"""What a value that was written conditionally says of its past, so that an overwritten write can still be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import punctuation
from urllib.parse import quote, unquote

from ..types import ObjectInfo, Version

__all__ = ["DEPTH", "LINEAGE", "WRITE_ID", "Mark", "trace"]

WRITE_ID = "asynczarr_write_id"
"""Metadata that says which logical write a value comes from. Underscores: Azure wants names like those of C#."""

LINEAGE = "asynczarr_lineage"
"""Metadata that names the values before: version and write id of each, the latest first."""

DEPTH = 8
"""Values that a lineage goes back: about 600 bytes, of 2 KiB that S3 has for all metadata of a value."""

_NOTHING = "-"
_UNREAD = "?"  # nothing comes after it
_PLAIN = punctuation.replace("%", "")


@dataclass(frozen=True, slots=True)
class Mark:
    """What identifies one logical write.

    Attributes:
        id: of the write; ``None`` for a delete and where the store keeps no metadata.
        if_version: the version that it replaces, ``None`` for one that creates.
    """

    id: str | None
    if_version: Version | None

    def stamps(self, replaced: Mapping[str, str] | None) -> dict[str, str]:
        """Metadata for the value.

        Args:
            replaced: metadata of the version that it replaces, ``None`` if that is not known.
        """
        if self.if_version is None:
            before = [_NOTHING, _NOTHING]
        else:
            mark = _UNREAD if replaced is None else replaced.get(WRITE_ID, _NOTHING)
            older = (replaced or {}).get(LINEAGE, "").split(" ")
            before = [_word(self.if_version), _word(mark), *older[: 2 * (DEPTH - 1)]]
        return {WRITE_ID: self.id or "", LINEAGE: " ".join(before).rstrip()}


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of a write.

    Attributes:
        done: whether it has happened.
        version: the version that it made, if it has.
    """

    done: bool
    version: Version | None = None


def trace(mark: Mark, info: ObjectInfo) -> Trace | None:
    """What a stored value proves about a write to its key: done, not done (and impossible now), or nothing."""
    if mark.id is not None and info.metadata.get(WRITE_ID) == mark.id:
        return Trace(True, info.version)
    words = [unquote(word) for word in info.metadata.get(LINEAGE, "").split(" ")]
    wanted = _NOTHING if mark.if_version is None else mark.if_version
    for version, write_id in zip(words[::2], words[1::2], strict=False):
        if version == wanted:
            return Trace(False)  # others have taken its place, and all who did are known
        if write_id == mark.id:
            return Trace(True, version)
    return None


def _word(text: str) -> str:
    """A version or id without spaces, which separate them: those of some stores have one. Most stay as they are."""
    return quote(text, safe=_PLAIN)
