"""What obstore answers, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, PreconditionFailed, Truncated, Unsupported
from ...types import ByteRange, Version
from ..network.metadata import hyphens, underscores, verify_metadata
from ..network.pinned import Reading

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta, PutResult

__all__ = ["attributes_of", "condition", "metadata_of", "reading", "version_of"]

_ALL = ByteRange()
_NOT_OURS = frozenset(
    {"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Storage-Class"}
)
_TAKEN = {name.replace("-", "").lower() for name in _NOT_OURS}


def version_of(meta: ObjectMeta | PutResult) -> Version | None:
    """ETag, and the service's own version (generation) if there is one; weak ETags are no versions."""
    tag, version = meta["e_tag"], meta["version"]
    if tag is None or tag.startswith("W/"):
        return None
    return tag if version is None else f"{tag} {version}"


def attributes_of(metadata: Mapping[str, str], *, s3: bool) -> dict[str, str]:
    """User metadata as obstore takes it; names on S3 travel as those of ``S3Store``.

    Raises:
        Unsupported: a name or value that would come back changed, or that obstore takes for one of HTTP.
    """
    verify_metadata(metadata)
    for name in metadata:
        if name.replace("_", "") in _TAKEN:
            raise Unsupported(f"obstore takes {name!r} for a header of HTTP")
    return {hyphens(name) if s3 else name: text for name, text in metadata.items()}


def metadata_of(result: GetResult, *, s3: bool) -> dict[str, str]:
    """User metadata, without the attributes of HTTP."""
    return {
        underscores(name) if s3 else name: text for name, text in result.attributes.items() if name not in _NOT_OURS
    }


def condition(version: Version, *, quoted: bool = True) -> Any:
    """A version as obstore takes it for a condition."""
    tag, _, number = version.partition(" ")
    if not quoted:  # Ceph compares a quoted ETag with nothing; others take both
        tag = tag.strip('"')
    return {"e_tag": tag, "version": number} if number else {"e_tag": tag}


def reading(data: memoryview, result: GetResult, part: ByteRange, pin: Version | None, *, s3: bool) -> Reading:
    """Bytes that were read, once they are found to be those that were asked for, of the version `pin`."""
    meta, got = result.meta, tuple(result.range)
    version = version_of(meta)
    if pin is not None and pin != version:
        raise PreconditionFailed(f"the stored version is {version}, not {pin}")
    if got != part.resolve(meta["size"]):
        raise IntegrityError(f"asked for {part} of {meta['size']} bytes, got {got}")
    if len(data) != got[1] - got[0]:
        raise Truncated(f"{len(data)} bytes where {got[1] - got[0]} were promised")
    whole = data if part == _ALL else None
    return Reading(data, meta["size"], version, meta["last_modified"], whole, metadata_of(result, s3=s3))
