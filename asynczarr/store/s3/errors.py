"""What S3 says when something goes wrong, as errors of asynczarr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...errors import (
    Forbidden,
    IntegrityError,
    KeyInvalid,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from ..network.statuses import retry_after
from .xml import error_of, parsed

__all__ = ["errors_of_deletion", "refusal", "refusal_of_code", "says_missing"]


_THROTTLED = ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded")
_BY_CODE: Mapping[str, type[StoreError]] = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"), Unauthenticated),
    **dict.fromkeys(("TokenRefreshRequired", "RequestTimeTooSkewed", "InvalidSecurity"), Unauthenticated),
    **dict.fromkeys(("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"), IntegrityError),
    **dict.fromkeys(("InternalError", "RequestTimeout", "ServiceUnavailable", "OperationAborted"), Unavailable),
    "NoSuchUpload": Unavailable,  # completed or aborted meanwhile: the write as a whole may be tried again
    **dict.fromkeys(("QuotaExceeded", "StorageFull", "XMinioStorageFull"), QuotaExceeded),
    **dict.fromkeys(("NotImplemented", "EntityTooLarge", "MethodNotAllowed", "MetadataTooLarge"), Unsupported),
    "KeyTooLongError": KeyInvalid,
    "AccessDenied": Forbidden,
    "NoSuchBucket": NotFound,
    "ConditionalRequestConflict": PreconditionFailed,
}
_BY_STATUS: Mapping[int, type[StoreError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: Unsupported,
    409: Unavailable,  # another operation is under way
    412: PreconditionFailed,
    501: Unsupported,
    507: QuotaExceeded,
}


def says_missing(body: bytes) -> bool:
    """Whether a 404 is about the key. That of a bucket, or of a server that is not S3, is a failure."""
    return error_of(body)[0] == "NoSuchKey"


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> StoreError:
    """The error that an answer stands for."""
    code, message = error_of(body)
    if 300 <= status < 400:
        region = headers.get("x-amz-bucket-region")
        return Unsupported(f"the bucket is elsewhere; open it with region={region!r}" if region else "S3 redirects")
    wait = retry_after(headers)
    if status == 429 or code in _THROTTLED or (status == 503 and wait is not None):
        return Throttled(_told(status, code, message), retry_after=wait)
    return refusal_of_code(code, message, status)


def refusal_of_code(code: str, message: str, status: int = 0) -> StoreError:
    """The error of one key of a batch, and of an answer that came with status 200."""
    if code in _THROTTLED:
        return Throttled(_told(status, code, message))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (Unavailable if status >= 500 else StoreError)
    return kind(_told(status, code, message))


def errors_of_deletion(body: bytes) -> Iterator[tuple[str, StoreError]]:
    """Each key of a batch that was not deleted, and why.

    Raises:
        StoreError: the answer is an error about the batch as a whole.
        IntegrityError: it is not the answer to such a batch.
    """
    root = parsed(body)
    if root.tag.rpartition("}")[2] == "Error":
        raise refusal_of_code(*error_of(body))
    if root.tag.rpartition("}")[2] != "DeleteResult":
        raise IntegrityError("an answer to a deletion that is none")
    for error in root.iterfind("{*}Error"):
        code = error.findtext("{*}Code") or ""
        if code != "NoSuchKey":
            yield error.findtext("{*}Key") or "", refusal_of_code(code, error.findtext("{*}Message") or "")


def _told(status: int, code: str, message: str) -> str:
    what = f"S3 answered {status} {code}".rstrip() if status else f"S3 refused: {code}"
    return f"{what}: {message[:300]}" if message else what
