"""Ask for the rest of a body that broke off instead of for all of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConnectionFailed, IntegrityError, PreconditionFailed, Truncated
from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..types import ByteRange, BytesLike, Parts, Version
from .base import Wrapper
from .budget import RetryBudget
from .policy import RetryPolicy

__all__ = ["Resume"]


class Resume(Wrapper):
    """Goes on with a broken read from its last byte, on the condition that the version is still the same.

    It needs a store that says what has arrived (``received`` and ``version`` of ``Truncated`` and
    ``ConnectionFailed``). Where it does not, where nothing has arrived, or where the value has changed, the error
    passes, and what retries begins anew. It waits for nothing itself, and takes from the same budget as a retry.

    Args:
        inner: the store that is wrapped.
        times: continuations of one read at most.
        policy: whose budget is used; the default is that of the endpoint.
    """

    def __init__(self, inner: Store, *, times: int = 3, policy: RetryPolicy | None = None) -> None:
        super().__init__(inner)
        self._times = times
        self._budget = (policy and policy.budget) or RetryBudget.of(inner)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        try:
            return await self.inner.get(key, byte_range)
        except (ConnectionFailed, Truncated) as error:
            return (await self._rest(key, byte_range or ByteRange(), error)).data[0]

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. Of several ranges, what retries asks again for those that broke."""
        try:
            return await self.inner.get_ranges(key, ranges, if_version=if_version)
        except (ConnectionFailed, Truncated) as error:
            if len(ranges) != 1:
                raise
            return await self._rest(key, ranges[0], error)

    async def _rest(self, key: str, wanted: ByteRange, broken: ConnectionFailed | Truncated) -> Parts:
        """All that `wanted` names, of which the beginning arrived with an error."""
        version, pieces, got, paid = broken.version, [broken.received], len(broken.received), 0
        broken.received = b""  # the error may live on as a cause, the bytes need not
        if version is None or wanted.start < 0:  # where a suffix begins is known to who reads its first byte only
            raise broken
        for _ in range(self._times):
            if not pieces[-1]:
                break
            paid = self._budget.cost(broken)
            if not self._budget.take(paid):
                break
            if hooks.active:
                error_name = type(broken).__name__
                hooks.emit(events.Resume(store=public(self.url), key=key, nbytes=got, error=error_name))
            try:
                part = ByteRange(wanted.start + got, wanted.stop)
                rest = await self.inner.get_ranges(key, [part], if_version=version)
            except PreconditionFailed as changed:
                raise broken from changed
            except (ConnectionFailed, Truncated) as error:
                if error.version not in (None, version):
                    raise
                pieces.append(error.received)
                got += len(error.received)
                error.received = b""
                broken = error
                continue
            if rest is None:
                raise broken
            self._budget.give(paid)
            data = b"".join([*pieces, rest.data[0]])
            start, stop = wanted.resolve(rest.size)
            if len(data) != stop - start:
                raise IntegrityError(f"{len(data)} bytes put together, not {stop - start}", store=self.url, key=key)
            return Parts([data], version, rest.size, rest.metadata)
        raise broken
