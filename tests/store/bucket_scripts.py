"""As much of two cloud services as stores of bytes need, each as a script for the scripted server.

They honour every condition, which the emulators do not.
"""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import google_crc32c

from .scripted_http import Reply, Request


class Service:
    """Names to values; a write makes the next version.

    Attributes:
        objects: path that all of them are below.
    """

    objects: str

    def __init__(self) -> None:
        self.values: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.versions = 1000

    def write(self, name: str, data: bytes, metadata: dict[str, str]) -> int:
        self.versions += 1
        self.values[name] = self.versions, data, metadata
        return self.versions

    def __call__(self, request: Request) -> Reply:
        url = urlsplit(request.target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return self.answer(request, url.path, query)

    def answer(self, request: Request, path: str, query: dict[str, str]) -> Reply:
        raise NotImplementedError

    def page(self, names: list[str], following: str = "") -> Reply:
        """A page of a listing, and the token of the next one."""
        raise NotImplementedError

    def ranged(self, asked: str | None, data: bytes, headers: dict[str, str | None]) -> Reply:
        if asked is None:
            return Reply(200, data, headers)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, stop = (len(data) - int(last), len(data)) if not first else (int(first), int(last or 1 << 60) + 1)
        start, stop = max(0, start), min(stop, len(data))
        if start >= stop:
            return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
        return Reply(206, data[start:stop], {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})


class GCS(Service):
    """The JSON API of Google Cloud Storage, bucket ``bucket``."""

    objects = "/storage/v1/b/bucket/o"

    def answer(self, request: Request, path: str, query: dict[str, str]) -> Reply:
        if path == f"/upload{self.objects}":
            return self.upload(request, query)
        if path == self.objects:
            return self.listing(query)
        if path.startswith("/batch"):
            return self.batch(request)
        name = unquote(path.removeprefix(self.objects + "/"))
        if name not in self.values:
            return self.missing(name, query)
        if refused := self.refused(name, query):
            return refused
        if request.method == "DELETE":
            del self.values[name]
            return Reply(204)
        version, data, _ = self.values[name]
        if query.get("alt") != "media":
            return Reply(200, json.dumps(self.resource(name)).encode())
        headers = {"x-goog-generation": str(version), "x-goog-hash": f"crc32c={checksum(data)},md5=x"}
        return self.ranged(request.headers.get("range"), data, headers)

    def upload(self, request: Request, query: dict[str, str]) -> Reply:
        boundary = request.headers["content-type"].partition("boundary=")[2].encode()
        _, first, second, _ = request.body.split(b"--" + boundary)
        resource = json.loads(first.partition(b"\r\n\r\n")[2])
        data = second.partition(b"\r\n\r\n")[2][:-2]
        if resource["crc32c"] != checksum(data):
            return Reply(400, b"Provided CRC32C does not match")
        if refused := self.refused(resource["name"], query):
            return refused
        self.write(resource["name"], data, resource["metadata"])
        return Reply(200, json.dumps(self.resource(resource["name"])).encode())

    def missing(self, name: str, query: dict[str, str]) -> Reply:
        said = f"No such object: bucket/{name}"
        return Reply(404, said.encode()) if query.get("alt") == "media" else json_error(404, said, "notFound")

    def refused(self, name: str, query: dict[str, str]) -> Reply | None:
        stored = self.values.get(name, (0,))[0]
        return Reply(412) if query.get("ifGenerationMatch", str(stored)) != str(stored) else None

    def resource(self, name: str) -> dict[str, object]:
        version, data, metadata = self.values[name]
        found = {"generation": str(version), "size": str(len(data)), "crc32c": checksum(data)}
        return {"name": name, "updated": "2024-05-06T07:08:09.100Z", "metadata": metadata, **found}

    def listing(self, query: dict[str, str]) -> Reply:
        names = sorted(name for name in self.values if name.startswith(query.get("prefix", "")))
        return self.page(names)

    def page(self, names: list[str], following: str = "") -> Reply:
        page: dict[str, object] = {"items": [{"name": name} for name in names]}
        return Reply(200, json.dumps(page | ({"nextPageToken": following} if following else {})).encode())

    def batch(self, request: Request) -> Reply:
        lines = [line for line in request.body.decode().split("\r\n") if line.startswith("DELETE ")]
        replies = [self(Request("DELETE", line.split(" ")[1], {})) for line in lines]
        parts = [
            f"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {reply.status} X\r\n\r\n{reply.body.decode()}\r\n"
            for reply in replies
        ]
        return Reply(200, f"{''.join(parts)}--b--\r\n".encode(), {"Content-Type": "multipart/mixed; boundary=b"})


class Azure(Service):
    """The REST API of Azure Blob Storage, container ``bucket`` of the account ``account``."""

    objects = "/account/bucket"

    def __init__(self) -> None:
        super().__init__()
        self.blocks: dict[str, bytes] = {}

    def answer(self, request: Request, path: str, query: dict[str, str]) -> Reply:
        name = unquote(path.removeprefix(self.objects).removeprefix("/"))
        if query.get("comp") == "list":
            return self.listing(query)
        if request.method == "POST":
            return self.batch(request)
        if query.get("comp") == "block":
            self.blocks[query["blockid"]] = request.body
            return Reply(201)
        stored = self.values.get(name)
        headers = request.headers
        if stored and headers.get("if-none-match") == "*":
            return error(409, "BlobAlreadyExists")
        if stored is None and request.method != "PUT":
            return error(404, "BlobNotFound")
        if "if-match" in headers and (stored is None or headers["if-match"] != f'"{stored[0]}"'):
            return error(412, "ConditionNotMet")
        if request.method == "PUT":
            return self.put(request, name, query)
        if request.method == "DELETE":
            del self.values[name]
            return Reply(202)
        version, data, metadata = self.values[name]
        found = {
            "ETag": f'"{version}"',
            "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT",
            "x-ms-blob-type": "BlockBlob",
        }
        if request.method == "HEAD":
            own = {f"x-ms-meta-{key}": value for key, value in metadata.items()}
            return Reply(200, data, {**found, **own})
        reply = self.ranged(headers.get("x-ms-range"), data, found)
        return error(416, "InvalidRange") if reply.status == 416 else reply

    def put(self, request: Request, name: str, query: dict[str, str]) -> Reply:
        data = request.body
        if query.get("comp") == "blocklist":
            data = b"".join(
                self.blocks[block]
                for block in request.body.decode().split("<Latest>")[1:]
                for block in [block.partition("<")[0]]
            )
        prefix = "x-ms-meta-"
        metadata = {key.removeprefix(prefix): v for key, v in request.headers.items() if key.startswith(prefix)}
        return Reply(201, b"", {"ETag": f'"{self.write(name, data, metadata)}"'})

    def listing(self, query: dict[str, str]) -> Reply:
        names = sorted(name for name in self.values if name.startswith(query.get("prefix", "")))
        return self.page(names)

    def page(self, names: list[str], following: str = "") -> Reply:
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name in names
        )
        found = f"<Blobs>{blobs}</Blobs><NextMarker>{following}</NextMarker>"
        body = f'<?xml version="1.0"?><EnumerationResults>{found}</EnumerationResults>'
        return Reply(200, body.encode(), {"Content-Type": "application/xml"})

    def batch(self, request: Request) -> Reply:
        lines = [line for line in request.body.decode().split("\r\n") if line.startswith("DELETE ")]
        replies = [self(Request("DELETE", line.split(" ")[1].partition("?")[0], {})) for line in lines]
        parts = [
            f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\nHTTP/1.1 {reply.status} X\r\n"
            f"x-ms-error-code: {reply.headers.get('x-ms-error-code', '')}\r\n\r\n\r\n"
            for number, reply in enumerate(replies)
        ]
        return Reply(202, f"{''.join(parts)}--b--\r\n".encode(), {"Content-Type": "multipart/mixed; boundary=b"})


def json_error(status: int, message: str, reason: str) -> Reply:
    """An error as Google tells it."""
    errors = [{"message": message, "domain": "global", "reason": reason}]
    found = {"error": {"code": status, "message": message, "errors": errors}}
    return Reply(status, json.dumps(found, indent=1).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def error(status: int, code: str) -> Reply:
    """An error as Azure tells it."""
    return Reply(status, f"<Error><Code>{code}</Code></Error>".encode(), {"x-ms-error-code": code})


def checksum(data: bytes) -> str:
    """CRC32C as Google writes it."""
    return b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
