"""What botocore knows: where a bucket is, who is asking, and how the connection is to be trusted. All of it blocks."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader
from botocore.utils import get_environ_proxies

from ...errors import Unauthenticated, Unsupported
from .options import S3Options

__all__ = ["Bucket", "resolve"]

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request").search


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as botocore would address it.

    Attributes:
        url: what stands before ``/key``.
        region: what a signature is for, with `service`.
        credentials: botocore's, which refresh themselves when they are asked for; ``None`` if nothing is signed.
        trust: what aiohttp takes as ``ssl=``.
        proxy: from the variables of the environment.
    """

    url: str
    region: str
    service: str
    credentials: Any = field(repr=False)
    trust: ssl.SSLContext | bool
    proxy: str | None = field(repr=False)


def resolve(options: S3Options) -> Bucket:
    """Ask botocore's session: configuration files, variables, endpoint rules, and its chain of credentials.

    Raises:
        Unauthenticated: no credentials were found, or they could not be fetched.
        Unsupported: botocore refuses the configuration.
    """
    try:
        session = botocore.session.Session(profile=options.profile)
        session.register_component("data_loader", _loader())
        url, region, service = _address(session, options)
        credentials = None if options.anonymous else _credentials(session, options)
        trust = _trust(options.verify if options.verify is not None else session.get_config_variable("ca_bundle"))
    except (BotoCoreError, ValueError, OSError) as error:
        raise Unsupported(f"botocore refuses the configuration: {error}") from error
    return Bucket(url, region, service, credentials, trust, get_environ_proxies(url).get(urlsplit(url).scheme))


@cache
def _loader() -> Any:
    """The description of S3, read once a process."""
    return create_loader()


def _address(session: Any, options: S3Options) -> tuple[str, str, str]:
    """The URL of the bucket, region and service: those of a request that botocore makes and that is not sent."""
    client = session.create_client(
        "s3",
        region_name=options.region,
        endpoint_url=options.endpoint_url,
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        config=Config(signature_version="s3v4", s3={"addressing_style": options.addressing_style or "auto"}),
    )
    made: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        made.append(request)
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=list))

    client.meta.events.register("before-send.s3.HeadBucket", answer)
    client.head_bucket(Bucket=options.bucket)
    authorization = made[0].headers["Authorization"]
    scope = _SCOPE(authorization.decode() if isinstance(authorization, bytes) else authorization)
    if scope is None:
        raise Unsupported("the bucket wants signatures of another kind than SigV4")
    return made[0].url.rstrip("/"), scope[1], scope[2]


def _credentials(session: Any, options: S3Options) -> Any:
    if options.access_key_id is not None:
        return Credentials(options.access_key_id, options.secret_access_key, options.session_token)
    try:
        credentials = session.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()
    except BotoCoreError as error:
        raise Unauthenticated(f"no credentials: {error}") from error
    if credentials is None:
        raise Unauthenticated("botocore finds no credentials; a public bucket needs anonymous=True")
    return credentials


def _trust(verify: bool | str | None) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify is not False
