"""Every error that asynczarr raises, as one tree.

::

    AsyncZarrError                    anything below; carries store, key, codec and chunk
    ├── StoreError                    bytes could not be moved
    │   ├── NotFound                  a node or key that must exist does not
    │   ├── AlreadyExists             create-only, and something is there
    │   ├── PreconditionFailed        the stored version is not the one expected
    │   ├── KeyInvalid                a key that no store may be given
    │   ├── Forbidden                 the store refuses this caller
    │   ├── Unauthenticated           the store does not know this caller
    │   ├── Unsupported               the store cannot do this, and says so
    │   ├── StoreClosed               used after ``aclose()``
    │   ├── QuotaExceeded             no space or no allowance left
    │   ├── Throttled                 asked to slow down
    │   ├── Unavailable               the service or device failed; it may recover
    │   │   └── ConnectionFailed      no connection, or it broke
    │   ├── AttemptTimeout            one attempt took too long
    │   ├── DeadlineExceeded          all attempts together took too long
    │   ├── BudgetExhausted           the retry budget is spent
    │   ├── Truncated                 fewer bytes than promised
    │   ├── IntegrityError            bytes that fail their checksum or structure
    │   └── OutcomeUnknown            a write that may or may not have landed
    ├── MetadataError                 a metadata document breaks the specification
    │   └── UnknownExtension          a data type, codec, grid or encoding nobody registered
    ├── CodecError                    a chunk could not be encoded or decoded
    ├── ChunkMissing                  ``missing="raise"`` met a chunk that is not stored
    ├── SelectionError                an index or value that does not fit the array (also an IndexError)
    └── PipelineError                 a stage of a pipeline failed

Only :class:`NotFound` means absent. Every other failure stays a failure: it never turns into a fill value.
"""

from __future__ import annotations

from typing import Any, Self

__all__ = [
    "AlreadyExists",
    "AsyncZarrError",
    "AttemptTimeout",
    "BudgetExhausted",
    "ChunkMissing",
    "CodecError",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Forbidden",
    "IntegrityError",
    "KeyInvalid",
    "MetadataError",
    "NotFound",
    "OutcomeUnknown",
    "PipelineError",
    "PreconditionFailed",
    "QuotaExceeded",
    "SelectionError",
    "StoreClosed",
    "StoreError",
    "Throttled",
    "Truncated",
    "Unauthenticated",
    "Unavailable",
    "UnknownExtension",
    "Unsupported",
]


class AsyncZarrError(Exception):
    """Base of all errors of asynczarr.

    The place is filled in from the inside out: a codec knows its name, the engine adds chunk, key and store
    with :meth:`at`, so that the error that reaches the user names all of them.

    Attributes:
        reason: what went wrong, without the place.
        store: URL of the store, without secrets.
        key: key in the store.
        codec: name of the codec.
        chunk: chunk coordinates in the array's chunk grid.
    """

    def __init__(
        self,
        reason: str = "",
        *,
        store: str | None = None,
        key: str | None = None,
        codec: str | None = None,
        chunk: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.store = store
        self.key = key
        self.codec = codec
        self.chunk = chunk

    def at(
        self,
        *,
        store: str | None = None,
        key: str | None = None,
        codec: str | None = None,
        chunk: tuple[int, ...] | None = None,
    ) -> Self:
        """Fill in the parts of the place that are not known yet; return the error itself."""
        self.store = self.store if self.store is not None else store
        self.key = self.key if self.key is not None else key
        self.codec = self.codec if self.codec is not None else codec
        self.chunk = self.chunk if self.chunk is not None else chunk
        return self

    def __str__(self) -> str:
        named = (("store", self.store), ("key", self.key), ("codec", self.codec), ("chunk", self.chunk))
        place = ", ".join(f"{name}={value!r}" for name, value in named if value is not None)
        reason = self.reason or type(self).__name__
        return f"{reason} [{place}]" if place else reason

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries (map_chunks in processes): keep every field, whatever the signature.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[AsyncZarrError], args: tuple[Any, ...], state: dict[str, Any]) -> AsyncZarrError:
    error = cls.__new__(cls, *args)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class StoreError(AsyncZarrError):
    """Raised when a store could not do what it was asked.

    Attributes:
        attempts: how often it was tried, where something tries more than once.
        elapsed: seconds since the first attempt began, where that is known.
    """

    attempts: int | None = None
    elapsed: float | None = None


class _BrokenOff(StoreError):
    """What is known of an answer that broke off, for those who can ask for the rest.

    A store sets both, with :meth:`keep`, when the body of a ``get`` or of a single range breaks and it knows which
    version the body belongs to. It is optional: without them a read begins anew.

    Attributes:
        received: the bytes that did arrive, from the beginning of what was asked for.
        version: the version that they belong to.
    """

    received: bytes = b""
    version: str | None = None

    def keep(self, received: bytes, version: str | None) -> Self:
        """Set what is known; return the error itself."""
        self.received, self.version = received, version
        return self


class NotFound(StoreError, FileNotFoundError):
    """Raised when a node or key that must exist does not. Never retried."""


class AlreadyExists(StoreError, FileExistsError):
    """Raised by create-only writes when the key, or a node at the path, is there already."""


class PreconditionFailed(StoreError):
    """Raised by conditional requests when the stored version is not the expected one."""


class KeyInvalid(StoreError, ValueError):
    """Raised for a key that could leave the root of a store or that the Zarr specification forbids."""


class Forbidden(StoreError):
    """Raised when the store refuses this caller (permissions, read-only)."""


class Unauthenticated(StoreError):
    """Raised when the store does not accept the caller's credentials."""


class Unsupported(StoreError):
    """Raised when a store lacks a capability; it is never emulated by something weaker."""


class StoreClosed(StoreError):
    """Raised when a store is used after ``aclose()``."""


class QuotaExceeded(StoreError):
    """Raised when no space or no allowance is left. Waiting a little does not help."""


class Throttled(StoreError):
    """Raised when the service asks to slow down.

    Attributes:
        retry_after: seconds that the service asked to wait, if it said.
    """

    def __init__(self, reason: str = "", *, retry_after: float | None = None, **place: Any) -> None:
        super().__init__(reason, **place)
        self.retry_after = retry_after


class Unavailable(StoreError):
    """Raised when the service or device failed and may recover."""


class ConnectionFailed(Unavailable, _BrokenOff):
    """Raised when no connection could be made or an open one broke.

    Attributes:
        sent: whether the request may have reached the other side. ``False`` is a proof that it did not.
    """

    def __init__(self, reason: str = "", *, sent: bool = True, **place: Any) -> None:
        super().__init__(reason, **place)
        self.sent = sent


class AttemptTimeout(StoreError, TimeoutError):
    """Raised when one attempt, or one chunk with ``timeout=``, took too long.

    Attributes:
        sent: whether the request may have reached the other side. ``False`` is a proof that it did not.
    """

    def __init__(self, reason: str = "", *, sent: bool = True, **place: Any) -> None:
        super().__init__(reason, **place)
        self.sent = sent


class DeadlineExceeded(StoreError, TimeoutError):
    """Raised when all attempts together took too long; carries the last cause."""


class BudgetExhausted(StoreError):
    """Raised when the retry budget of an endpoint is spent; carries the last cause."""


class Truncated(_BrokenOff):
    """Raised when fewer bytes arrived than were promised or asked for."""


class IntegrityError(StoreError):
    """Raised when stored bytes contradict their checksum, their index or their container."""


class OutcomeUnknown(StoreError):
    """Raised when a write may or may not have landed and nothing can prove which.

    Attributes:
        write_id: the mark that the value carries if it has landed, where the store keeps metadata.
    """

    def __init__(self, reason: str = "", *, write_id: str | None = None, **place: Any) -> None:
        super().__init__(reason, **place)
        self.write_id = write_id


class MetadataError(AsyncZarrError, ValueError):
    """Raised when a metadata document, or an argument that would go into one, breaks the specification."""


class UnknownExtension(MetadataError):
    """Raised for the name of a data type, codec, chunk grid, key encoding or transformer that nobody registered.

    Attributes:
        kind: which of these it is, e.g. ``"codec"``.
        name: the name in the document.
    """

    def __init__(self, kind: str, name: str, reason: str = "", **place: Any) -> None:
        super().__init__(reason or f"unknown {kind} {name!r}", **place)
        self.kind = kind
        self.name = name


class CodecError(AsyncZarrError):
    """Raised when a chunk could not be encoded or decoded: bad bytes, wrong size, a value that does not fit."""


class ChunkMissing(AsyncZarrError, LookupError):
    """Raised when ``missing="raise"`` was asked for and a chunk is not stored."""


class SelectionError(AsyncZarrError, IndexError):
    """Raised for an index or a value that does not fit the array: out of bounds, of another shape or type."""


class PipelineError(AsyncZarrError):
    """Raised when a stage of a pipeline failed; carries the cause.

    Attributes:
        stage: name of the stage.
    """

    def __init__(self, reason: str = "", *, stage: str = "", **place: Any) -> None:
        super().__init__(reason, **place)
        self.stage = stage
