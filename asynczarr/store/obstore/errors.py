"""Errors of obstore in our words. It tells most of them apart by their text alone."""

from __future__ import annotations

import re

from ...errors import (
    AlreadyExists,
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    KeyInvalid,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    StoreError,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

__all__ = ["PastTheEnd", "Unranged", "is_missing", "obstore_error"]

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})").search
# By the names of the classes, obstore's and Python's, so that nothing of obstore is imported here.
_KINDS: dict[str, type[StoreError]] = {
    "AlreadyExistsError": AlreadyExists,
    "FileNotFoundError": NotFound,
    "InvalidPathError": KeyInvalid,
    "NotImplementedError": Unsupported,
    "NotSupportedError": Unsupported,
    "PermissionDeniedError": Forbidden,
    "PreconditionError": PreconditionFailed,
    "UnauthenticatedError": Unauthenticated,
    "ValueError": KeyInvalid,
}
_LOCAL: dict[str, type[StoreError]] = {
    "IsADirectory": Unsupported,
    "NotADirectory": Unsupported,
    "InvalidFilename": KeyInvalid,
    "PermissionDenied": Forbidden,
    "ReadOnlyFilesystem": Forbidden,
    "StorageFull": QuotaExceeded,
    "QuotaExceeded": QuotaExceeded,
    "FileTooLarge": QuotaExceeded,
}
_OS = re.compile(r"\bkind: (\w+),").search
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


def is_missing(error: Exception) -> bool:
    """Whether it means that there is no such key; a missing bucket is another matter."""
    if isinstance(error, FileNotFoundError):
        return not any(mark in str(error) for mark in _NO_BUCKET)
    return "kind: NotADirectory" in str(error)  # a key below a key, in a folder


class PastTheEnd(Unavailable):
    """Raised when a range is refused; no failure if the size of the value shows that it begins past the end."""


class Unranged(Unsupported):
    """Raised when a range is answered with everything; no failure if that is nothing."""


def obstore_error(error: Exception) -> StoreError:
    """The error to raise ``from`` one of obstore; a query of a URL is cut out of that."""
    text = str(error)
    if "?" in text and "://" in text:
        text = re.sub(r"(://[^\s?]*)\?\S*", r"\1?...", text)
        error.args = (text,)
    reason = text.partition("\n")[0].partition(" - ")[2] or text.partition("\n")[0]
    status = _STATUS(text)
    if "Error performing token request" in text.partition("\n")[0]:
        return (Unauthenticated if status and status[1] < "500" else Unavailable)("no credentials to be had")
    if status[1] == "416" if status else "StartTooLarge {" in text or "ParseContentRange {" in text:
        return PastTheEnd(reason)
    if status and (status[1] in ("429", "503") or "<Code>SlowDown" in text):
        return Throttled(reason)
    if "ConditionalRequestConflict" in text:
        return Unavailable("somebody else writes the key at this moment")
    if kind := _KINDS.get(type(error).__name__):
        return kind(reason)
    if status:
        return (Unavailable if status[1] in ("408",) or status[1] >= "500" else StoreError)(reason)
    return _transport_error(text, reason)


def _transport_error(text: str, reason: str) -> StoreError:
    """No answer of a server stands in the text, so that its marks are those of the libraries below."""
    # Earlier attempts of a store that retries by itself may have been sent.
    sent = not ("legacy::Error(Connect," in re.sub(r"\s", "", text) and "retries: 0," in text)
    if "TimedOut" in text or "kind: Timeout" in text:
        return AttemptTimeout("no connection in time" if not sent else "no answer in time", sent=sent)
    if "IncompleteBody" in text or "kind: Body" in text:
        return Truncated("the body ended too early")
    if "UnexpectedRange" in text:
        return IntegrityError(reason)
    if "NotPartial" in text:
        return Unranged("the server ignores ranges")
    if "HttpError" in text:
        return ConnectionFailed("the connection broke" if sent else "no connection", sent=sent)
    found = _OS(text)
    return _LOCAL.get(found[1] if found else "", Unavailable)(reason)
