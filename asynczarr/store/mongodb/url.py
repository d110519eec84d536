"""What a URL says about a MongoDB deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from ...errors import KeyInvalid
from ..server_url import ServerURL

__all__ = ["MongoAddress"]

_BUCKET = "zarr"


@dataclass(frozen=True, slots=True)
class MongoAddress:
    """A deployment, a database, a GridFS bucket and a prefix.

    Attributes:
        uri: for PyMongo; it may hold a password.
        database: its name.
        bucket: its name, ``zarr`` if the URL has none.
        prefix: what all keys begin with: empty, or with a final ``/``.
        shown: the URL without user, password and options.
    """

    uri: str
    database: str
    bucket: str
    prefix: str
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``mongodb://hosts/database[.bucket][/prefix][?options of PyMongo]``, or the same with ``mongodb+srv``.

        Raises:
            KeyInvalid: it is not that.
        """
        parts = ServerURL.parse(url)
        place, _, prefix = parts.path[1:].partition("/")
        database, _, bucket = unquote(place).partition(".")
        if not (parts.authority and database):
            raise KeyInvalid(f"write {parts.scheme}://host/database.bucket/prefix", store=parts.shown)
        name = place.partition(".")[0]
        uri = f"{parts.scheme}://{parts.authority}/{name}" + (f"?{parts.query}" if parts.query else "")
        return cls(uri, database, bucket or _BUCKET, parts.prefix(prefix), parts.shown)
