"""Our signatures are those of botocore."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.store.s3.answer import quoted
from asynczarr.store.s3.signing import Signer

URLS = (
    "http://127.0.0.1:9000/bucket",
    "https://bucket.s3.eu-central-1.amazonaws.com",
    "https://s3.example.org:443/bucket",
    "http://example.org:80",
    "https://example.org:8443/a/b",
    "http://[::1]:9000/bucket",
)
QUERIES = (
    "",
    "?delete=",
    "?uploads=",
    "?list-type=2&encoding-type=url&prefix=a%2Fb%20c&delimiter=%2F&continuation-token=x%3D%3D",
    "?partNumber=2&uploadId=a~b-c_d.e",
    "?b=2&a=1&b=1",
)
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


class _Botocore(S3SigV4Auth):
    def payload(self, request):
        return request.context["hash"]


def both(url, method, path, headers, payload, token, *, secret="secret"):
    """Our headers, and botocore's at the same second."""
    now = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
    credentials = ReadOnlyCredentials("AKID", secret, token)
    ours, request = dict(headers), AWSRequest(method, url + path, headers=dict(headers))
    request.context["hash"] = payload
    with patch("time.gmtime", now.timetuple), patch("botocore.auth.get_current_datetime", lambda: now):
        Signer(url, "eu-central-1", "s3").sign(credentials, method, path, ours, payload)
        _Botocore(credentials, "s3", "eu-central-1").add_auth(request)
    return ours, dict(request.headers.items())


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("token", [None, "a token"])
def test_as_botocore(url, query, token):
    headers = {"Range": "bytes=0-9", "User-Agent": "asynczarr", "Accept-Encoding": "identity", "x-amz-meta-a": " b  c "}
    ours, theirs = both(url, "GET", "/c/0/0" + query, headers, HASH, token)
    assert ours == theirs


@given(
    st.sampled_from(("GET", "PUT", "HEAD", "DELETE", "POST")),
    st.text(min_size=1, max_size=20),
    st.dictionaries(st.from_regex(r"(x-amz-[a-z]|[A-Za-z])[A-Za-z0-9-]{0,8}", fullmatch=True), texts, max_size=4),
    texts,
)
def test_as_botocore_whatever_the_key_and_headers(method, key, headers, secret):
    headers = {name: value for number, (name, value) in enumerate(headers.items()) if unlike(name, headers, number)}
    path = "/" + quoted(key.encode(errors="replace").decode())
    ours, theirs = both(URLS[0], method, path, headers, HASH, None, secret=secret)
    assert ours == theirs


def unlike(name, headers, number):
    """Names of headers differ in more than upper and lower case, and are none that the signer sets itself."""
    before = [other.lower() for other in list(headers)[:number]]
    return name.lower() not in [*before, "x-amz-date", "x-amz-content-sha256", "authorization", "host"]


def test_a_key_for_each_day_and_secret():
    signer, found = Signer(URLS[0], "r", "s3"), []
    for secret, day in (("a", 1), ("a", 1), ("b", 1), ("a", 2)):
        headers: dict[str, str] = {}
        with patch("time.gmtime", datetime(2024, 1, day, tzinfo=UTC).timetuple):
            signer.sign(ReadOnlyCredentials("AKID", secret, None), "GET", "/k", headers, HASH)
        found.append(headers["Authorization"].rpartition("=")[2])
    assert found[0] == found[1]
    assert len(set(found)) == 3
