"""What the operating system says, in our words."""

from __future__ import annotations

import errno

from ..errors import Forbidden, KeyInvalid, QuotaExceeded, StoreError, Unavailable, Unsupported

__all__ = ["MISSING", "NO_LOCKS", "store_error"]

MISSING = (errno.ENOENT, errno.ENOTDIR)
"""Error numbers that mean: there is no such file."""

NO_LOCKS = (errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""Error numbers of ``flock`` that mean: this file system has none."""

_NO_LOOPS = "symbolic links that lead nowhere are not followed"
_TWO_ROLES = "a file system cannot hold a key and a prefix of the same name"
_KINDS: dict[int, tuple[type[StoreError], str]] = {
    errno.ENOSPC: (QuotaExceeded, ""),
    errno.EDQUOT: (QuotaExceeded, ""),
    errno.EFBIG: (QuotaExceeded, ""),
    errno.EACCES: (Forbidden, ""),
    errno.EPERM: (Forbidden, ""),
    errno.EROFS: (Forbidden, ""),
    errno.ELOOP: (Forbidden, _NO_LOOPS),
    errno.ENXIO: (Forbidden, "not a regular file"),
    errno.ENAMETOOLONG: (KeyInvalid, ""),
    errno.EILSEQ: (KeyInvalid, ""),
    errno.EISDIR: (Unsupported, _TWO_ROLES),
    errno.ENOTDIR: (Unsupported, _TWO_ROLES),
}


def store_error(error: OSError, *, store: str, key: str | None = None) -> StoreError:
    """The error to raise ``from`` an ``OSError``; what is not known to last is ``Unavailable``."""
    kind, reason = _KINDS.get(error.errno or 0, (Unavailable, ""))
    return kind(reason or error.strerror or str(error), store=store, key=key)
