"""An S3 bucket in memory: what the scripted server does when nothing goes wrong. Strongly consistent."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .wire import Answer, Request

__all__ = ["Bucket", "Stored"]

_PAGE = 1000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)").fullmatch
_META = "x-amz-meta-"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True)
class Stored:
    """One value.

    Attributes:
        data: its bytes.
        etag: MD5 of the bytes, in quotes.
        metadata: user metadata.
        modified: seconds since the epoch.
    """

    data: bytes
    etag: str
    metadata: dict[str, str]
    modified: float


@dataclass(slots=True)
class _Upload:
    key: str
    metadata: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class Bucket:
    """Keys and values, and the verbs of S3 on them. Every bucket name leads to this one.

    Attributes:
        objects: what is stored.
        uploads: multipart uploads that were begun and neither completed nor aborted.
        page: keys on a page of a listing, at most.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, _Upload] = {}
        self.page = _PAGE
        self._changes: deque[tuple[str, bool]] = deque(maxlen=10_000)  # key, and whether it was there before

    def handle(self, request: Request, body: bytes, *, stale: int = 0) -> Answer:
        """Carry out a request. A listing does not show the last `stale` changes."""
        query = request.query
        match request.verb:
            case "GET" if not request.key and "uploads" in query:
                return _xml("ListMultipartUploadsResult", "".join(map(_listed, self.uploads.items())))
            case "GET" if not request.key:
                return self._list(request, stale)
            case "GET" | "HEAD" if request.key:
                return self._get(request)
            case "PUT" if "uploadId" in query:
                return self._put_part(request, body)
            case "PUT" if request.key:
                return self._put(request, body, _metadata(request))
            case "POST" if "delete" in query:
                return self._delete_many(body)
            case "POST" if "uploads" in query:
                return self._begin_upload(request)
            case "POST" if "uploadId" in query:
                return self._complete(request, body)
            case "DELETE" if "uploadId" in query:
                return Answer(204) if self.uploads.pop(query["uploadId"], None) else _error(404, "NoSuchUpload")
            case "DELETE" if request.key:
                return self._delete(request)
            case "PUT" | "HEAD" | "DELETE":  # the bucket itself
                return Answer()
        return _error(501, "NotImplemented")

    def put(self, key: str, data: bytes, metadata: dict[str, str] | None = None) -> Stored:
        """Store a value, without any request."""
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        self._changes.append((key, key in self.objects))
        stored = self.objects[key] = Stored(data, etag, metadata or {}, time.time())
        return stored

    def remove(self, key: str) -> None:
        """Remove a value, without any request."""
        if self.objects.pop(key, None) is not None:
            self._changes.append((key, True))

    def _get(self, request: Request) -> Answer:
        stored = self.objects.get(request.key)
        if stored is None:
            return _error(404, "NoSuchKey")
        headers = {"ETag": stored.etag, "Last-Modified": formatdate(stored.modified, usegmt=True)}
        headers |= {"Accept-Ranges": "bytes", "Content-Type": "binary/octet-stream"}
        headers |= {f"{_META}{name}": value for name, value in stored.metadata.items()}
        if not _matches(request.headers.get("if-match", "*"), stored):
            return _error(412, "PreconditionFailed")
        if "if-none-match" in request.headers and _matches(request.headers["if-none-match"], stored):
            return Answer(304, b"", headers)
        found = _RANGE(request.headers.get("range", ""))
        if found is None or not (found[1] or found[2]):
            return Answer(200, stored.data, headers)
        size = len(stored.data)
        start = int(found[1]) if found[1] else max(0, size - int(found[2]))
        stop = min(size, int(found[2]) + 1) if found[1] and found[2] else size
        if start >= stop:
            return _error(416, "InvalidRange", {"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return Answer(206, stored.data[start:stop], headers)

    def _put(self, request: Request, data: bytes, metadata: dict[str, str]) -> Answer:
        if "aws-chunked" in request.headers.get("content-encoding", ""):
            return _error(501, "NotImplemented")
        if (refused := self._refused(request)) is not None:
            return refused
        return Answer(200, b"", {"ETag": self.put(request.key, data, metadata).etag})

    def _refused(self, request: Request) -> Answer | None:
        """The answer to a write whose condition does not hold."""
        stored = self.objects.get(request.key)
        if stored is not None and "if-none-match" in request.headers:
            return _error(412, "PreconditionFailed")
        if "if-match" in request.headers:
            if stored is None:
                return _error(404, "NoSuchKey")
            if not _matches(request.headers["if-match"], stored):
                return _error(412, "PreconditionFailed")
        return None

    def _delete(self, request: Request) -> Answer:
        if (refused := self._refused(request)) is not None:
            return refused
        self.remove(request.key)
        return Answer(204)

    def _delete_many(self, body: bytes) -> Answer:
        keys = [each.text or "" for each in ElementTree.fromstring(body).iter() if each.tag.endswith("Key")]
        for key in keys:
            self.remove(key)
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys))

    def _begin_upload(self, request: Request) -> Answer:
        name = secrets.token_hex(8)
        self.uploads[name] = _Upload(request.key, _metadata(request))
        key = escape(request.key)
        return _xml("InitiateMultipartUploadResult", f"<Key>{key}</Key><UploadId>{name}</UploadId>")

    def _put_part(self, request: Request, body: bytes) -> Answer:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None:
            return _error(404, "NoSuchUpload")
        upload.parts[int(request.query["partNumber"])] = body
        return Answer(200, b"", {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'})

    def _complete(self, request: Request, body: bytes) -> Answer:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None:
            return _error(404, "NoSuchUpload")
        wanted = [
            int(each.text or 0) for each in ElementTree.fromstring(body).iter() if each.tag.endswith("PartNumber")
        ]
        if not wanted or any(number not in upload.parts for number in wanted):
            return _error(400, "InvalidPart")
        answer = self._put(request, b"".join(upload.parts[number] for number in wanted), upload.metadata)
        if answer.status != 200:
            return answer
        del self.uploads[request.query["uploadId"]]
        etag = escape(answer.headers["ETag"])
        return _xml("CompleteMultipartUploadResult", f"<Key>{escape(request.key)}</Key><ETag>{etag}</ETag>")

    def _list(self, request: Request, stale: int) -> Answer:
        query = request.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        names: list[str] = []
        for key in sorted(self._keys(stale)):
            if key.startswith(prefix):
                cut = key.find(delimiter, len(prefix)) if delimiter else -1
                name = key if cut < 0 else key[: cut + len(delimiter)]
                if name > after and (not names or names[-1] != name):
                    names.append(name)
        limit = min(int(query.get("max-keys", self.page)), self.page)
        page, more = names[:limit], len(names) > limit
        inner = f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount><MaxKeys>{limit}</MaxKeys>"
        inner += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            inner += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        shown = quote if query.get("encoding-type") == "url" else escape
        return _xml("ListBucketResult", inner + "".join(self._entry(name, delimiter, shown) for name in page))

    def _keys(self, stale: int) -> set[str]:
        keys = set(self.objects)
        for key, was_there in list(self._changes)[len(self._changes) - stale :][::-1] if stale else ():
            (keys.add if was_there else keys.discard)(key)
        return keys

    def _entry(self, name: str, delimiter: str, shown: Callable[[str], str]) -> str:
        if delimiter and name.endswith(delimiter):
            return f"<CommonPrefixes><Prefix>{shown(name)}</Prefix></CommonPrefixes>"
        stored = self.objects.get(name)
        size, etag = (len(stored.data), stored.etag) if stored else (0, '""')
        return f"<Contents><Key>{shown(name)}</Key><ETag>{escape(etag)}</ETag><Size>{size}</Size></Contents>"


def _matches(condition: str, stored: Stored) -> bool:
    return condition == "*" or condition.strip('"') == stored.etag.strip('"')


def _metadata(request: Request) -> dict[str, str]:
    return {name.removeprefix(_META): value for name, value in request.headers.items() if name.startswith(_META)}


def _listed(upload: tuple[str, _Upload]) -> str:
    name, what = upload
    return f"<Upload><Key>{escape(what.key)}</Key><UploadId>{name}</UploadId></Upload>"


def _xml(root: str, inner: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{_NAMESPACE}">{inner}</{root}>'
    return Answer(200, text.encode(), {"Content-Type": "application/xml"})


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Answer(status, text.encode(), {"Content-Type": "application/xml", **(headers or {})})
