"""Writes of the document of a key, and what becomes of the files that documents point to."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from ...errors import AlreadyExists, Forbidden, PreconditionFailed, StoreError, Unauthenticated
from ...types import Version
from .client import Collections, failures
from .files import drop_quietly

__all__ = ["condition", "put", "put_file"]

_REFUSED = (AlreadyExists, PreconditionFailed, Forbidden, Unauthenticated)


async def put(at: Collections, document: dict[str, Any], create: bool, if_version: Version | None) -> None:
    """Put a document in place of the old one, in one request, and remove the file of the old one, if it had any.

    Raises:
        AlreadyExists: with `create`, and there is one.
        PreconditionFailed: the one that is there has another version than `if_version`, or there is none.
    """
    with failures():
        if create:
            try:
                await at.keys.insert_one(document)
            except DuplicateKeyError as error:
                raise AlreadyExists("the key exists") from error
            return
        which = condition(document["_id"], if_version)
        old = await at.keys.find_one_and_replace(which, document, projection={"file": 1}, upsert=if_version is None)
    if old is None and if_version is not None:
        raise PreconditionFailed("the stored version is another one, or the key is missing")
    if old is not None and "file" in old:
        await drop_quietly(at, [old["file"]])


async def put_file(at: Collections, document: dict[str, Any], create: bool, if_version: Version | None) -> None:
    """Like :func:`put`, of a document that points to a new file, which is removed if nothing points to it after all."""
    try:
        await put(at, document, create, if_version)
    except StoreError as error:
        # Refused, or never sent: nothing points to the file. If that is not certain, the file has to stay.
        if isinstance(error, _REFUSED) or not getattr(error, "sent", True):
            await drop_quietly(at, [document["file"]])
        raise


def condition(name: str, if_version: Version | None) -> dict[str, Any]:
    """The document of a key, of any version or of one; the filter of a query."""
    if if_version is None:
        return {"_id": name}
    return {"_id": name, "version": ObjectId(if_version) if ObjectId.is_valid(if_version) else None}
