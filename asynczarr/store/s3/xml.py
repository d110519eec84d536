"""The XML of S3's answers and requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ...errors import IntegrityError
from ..network.remote import Page

__all__ = ["completion", "deletion", "error_of", "in_xml", "page_of", "parsed"]

_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE).search


def in_xml(key: str) -> bool:
    """Whether XML can hold a key: of the other characters that it cannot hold no key has any."""
    return "\ufffe" not in key and "\uffff" not in key


def parsed(body: bytes) -> ElementTree.Element:
    """The root element.

    Raises:
        IntegrityError: no XML, or with declarations, which S3 never sends and which can be bombs.
    """
    if _DECLARATION(body):
        raise IntegrityError("an answer that S3 does not give: XML with declarations")
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise IntegrityError(f"an answer that is no XML: {error}") from error


def error_of(body: bytes) -> tuple[str, str]:
    """Code and message of ``<Error>``; empty if the body is something else."""
    try:
        root = parsed(body)
    except IntegrityError:
        return "", ""
    return root.findtext("{*}Code") or "", root.findtext("{*}Message") or ""


def page_of(body: bytes) -> Page:
    """An answer to ``ListObjectsV2`` with ``encoding-type=url``.

    Raises:
        IntegrityError: it says that there is more, but not how to get it.
    """
    root = parsed(body)
    if not root.tag.endswith("ListBucketResult"):
        raise IntegrityError(f"an answer to a listing that is none: <{root.tag.rpartition('}')[2]}>")
    found = [*root.iterfind("{*}Contents/{*}Key"), *root.iterfind("{*}CommonPrefixes/{*}Prefix")]
    following = ""
    if root.findtext("{*}IsTruncated") == "true" and not (following := root.findtext("{*}NextContinuationToken") or ""):
        raise IntegrityError("a page of a listing that has a successor without a name")
    encoded = root.findtext("{*}EncodingType") == "url"
    return Page([unquote_plus(name.text or "") if encoded else name.text or "" for name in found], following)


def deletion(keys: Iterable[str]) -> bytes:
    """The body of ``DeleteObjects``; the answer names failures only."""
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()


def completion(etags: Sequence[str]) -> bytes:
    """The body of ``CompleteMultipartUpload``."""
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
