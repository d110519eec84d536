"""Kerchunk reference documents, as fsspec defines them: keys to bytes, or to parts of other files."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import MetadataError
from ..keys import is_valid_key

__all__ = ["References", "Target", "parse"]

_TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Target:
    """A part of another file.

    Attributes:
        url: as the document has it, templates filled in.
        start: first byte.
        length: number of bytes, ``None`` for the whole file.
    """

    url: str
    start: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class References:
    """A document. What stands for a key is looked at when the key is asked for.

    Attributes:
        keys: all valid keys, sorted.
        entries: what stands for them.
        templates: names and the texts that replace them in URLs.
    """

    keys: list[str]
    entries: Mapping[str, Any]
    templates: Mapping[str, Any]

    def find(self, key: str) -> bytes | Target | None:
        """The value of a key, or where it is.

        Raises:
            MetadataError: an entry that is no reference, or a template that only a program could fill in.
        """
        entry = self.entries.get(key)
        if entry is None:
            return None
        if isinstance(entry, str):
            return _inline(entry)
        if isinstance(entry, dict):
            return json.dumps(entry).encode()
        if not isinstance(entry, list) or len(entry) not in (1, 3) or not isinstance(entry[0], str):
            raise MetadataError("not a reference: a text, [url], or [url, offset, length]")
        if len(entry) == 1:
            return Target(self._fill_in(entry[0]))
        start, length = entry[1:]
        if any(type(number) is not int or not 0 <= number <= _LARGEST for number in (start, length)):
            raise MetadataError("offset and length of a reference are not negative and less than 2**63")
        return Target(self._fill_in(entry[0]), start, length)

    def _fill_in(self, url: str) -> str:
        if "{{" not in url:
            return url

        def value(match: re.Match[str]) -> str:
            text = self.templates.get(match[1])
            if not isinstance(text, str):
                raise MetadataError(f"there is no template {match[1]!r}")
            return text

        url = _TEMPLATE.sub(value, url)
        if "{{" in url or "{%" in url:
            raise MetadataError("templates are names here: expressions are not evaluated")
        return url


def parse(document: bytes | Mapping[str, Any]) -> References:
    """The references in a document, version 1, or version 0, which is a plain mapping of keys.

    Raises:
        MetadataError: not such a document, or one whose keys only a program could make (``gen``).
    """
    loaded = document if isinstance(document, Mapping) else _load(document)
    if "refs" not in loaded and "version" not in loaded:
        loaded = {"version": 1, "refs": loaded}
    if loaded.get("version") != 1:
        raise MetadataError("a reference document has version 1")
    if loaded.get("gen"):
        raise MetadataError("generated references (gen) are not supported: write them out as refs")
    entries, templates = loaded.get("refs"), loaded.get("templates") or {}
    if not isinstance(entries, Mapping) or not isinstance(templates, Mapping):
        raise MetadataError("refs and templates of a reference document are objects")
    return References(sorted(key for key in entries if is_valid_key(key)), entries, templates)


def _load(document: bytes) -> Mapping[str, Any]:
    try:
        loaded = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"not a reference document: {type(error).__name__}") from error
    if not isinstance(loaded, dict):
        raise MetadataError("a reference document is a JSON object")
    return loaded


def _inline(text: str) -> bytes:
    if not text.startswith("base64:"):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text[7:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise MetadataError("an inline value that is no base64") from error
