"""Whether what several clients saw of one key could have happened one call after the other.

Each client notes when a call began, when it ended and what came of it: ``ok``, ``fail`` (proven to have changed
nothing) or ``info`` (nobody knows: it may take effect at any time from its begin on, or never). A history is
linearizable if the calls can be put into one order that respects these times and in which every outcome is right.

The search is that of Wing and Gong (1993), with the memory of visited states that Lowe (2017) added.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ..errors import AlreadyExists, AttemptTimeout, ConnectionFailed, PreconditionFailed, StoreError

__all__ = ["History", "Kind", "Operation", "Outcome", "linearize"]

Kind: TypeAlias = Literal["read", "write", "create", "cas", "delete", "delete_if"]
Outcome: TypeAlias = Literal["ok", "fail", "info"]

_UNDEFINED = object()


@dataclass(frozen=True, slots=True)
class Operation:
    """One call on one register.

    Attributes:
        kind: what was done.
        value: what was read or written; ``None`` is "no value".
        expected: what ``cas`` and ``delete_if`` wanted to find.
        outcome: ``fail`` of a conditional call says that its condition did not hold.
        begin: when it was called; only the order counts.
        end: when it returned; without meaning for ``info``.
        client: who called, for messages.
    """

    kind: Kind
    value: Hashable = None
    expected: Hashable = None
    outcome: Outcome = "ok"
    begin: float = 0
    end: float = math.inf
    client: int | str = ""


def linearize(history: Iterable[Operation], initial: Hashable = None) -> list[Operation] | None:
    """An order in which the calls of one register may have taken effect, ``None`` if there is none.

    Calls whose outcome is unknown are part of the order only where something that was seen needs them.

    Args:
        history: the calls, in any order.
        initial: what the register holds before all of them.
    """
    calls = sorted(history, key=lambda call: call.begin)
    ends = [math.inf if call.outcome == "info" else call.end for call in calls]
    must = sum(1 << number for number, call in enumerate(calls) if call.outcome != "info")
    visited: set[tuple[int, Hashable]] = set()
    path: list[tuple[int, Hashable, Iterable[int]]] = [(0, initial, iter(_next(calls, ends, 0)))]
    order: list[Operation] = []
    while path:
        done, value, candidates = path[-1]
        if done & must == must:
            return order
        for number in candidates:
            after = _apply(calls[number], value)
            state = (done | 1 << number, after)
            if after is _UNDEFINED or state in visited:
                continue
            visited.add(state)
            path.append((*state, iter(_next(calls, ends, state[0]))))
            order.append(calls[number])
            break
        else:
            path.pop()
            if order:
                order.pop()
    return None


def _next(calls: Sequence[Operation], ends: Sequence[float], done: int) -> list[int]:
    """The calls that may come next: those that began before the first of the others ended; known outcomes first."""
    numbers, limit = [], math.inf
    first = (~done & (done + 1)).bit_length() - 1
    for number in range(first, len(calls)):
        if calls[number].begin > limit:
            break
        if not done >> number & 1:
            numbers.append(number)
            limit = min(limit, ends[number])
    numbers = [number for number in numbers if calls[number].begin <= limit]
    return sorted(numbers, key=lambda number: calls[number].outcome == "info")


def _apply(call: Operation, value: Hashable) -> Hashable:
    """The register after the call, or ``_UNDEFINED`` if it cannot have had its outcome on this value."""
    match call.kind:
        case "read":
            return value if call.value == value else _UNDEFINED
        case "create":
            holds = value is None
        case "cas" | "delete_if":
            holds = value is not None and value == call.expected
        case _:
            holds = True
    if call.outcome == "fail":
        return _UNDEFINED if holds else value
    if not holds:
        return _UNDEFINED
    return None if call.kind in ("delete", "delete_if") else call.value


class History:
    """Notes calls of stores as operations.

    ``AlreadyExists`` and ``PreconditionFailed`` of a conditional call are ``fail``. A read that failed, and a call
    that was proven not to have been sent, say nothing and are left out. Whatever else a write raises is ``info``.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._time = itertools.count()

    async def read(self, client: int | str, send: Callable[[], Awaitable[Hashable]]) -> None:
        """Note what ``await send()`` gives; ``None`` is a missing key."""
        begin = next(self._time)
        with suppress(StoreError):
            value = await send()
            self.operations.append(Operation("read", value, None, "ok", begin, next(self._time), client))

    async def write(
        self,
        client: int | str,
        kind: Kind,
        send: Callable[[], Awaitable[object]],
        value: Hashable = None,
        expected: Hashable = None,
    ) -> Outcome:
        """Note what became of ``await send()``, which changes the register as `kind` says."""
        call = Operation(kind, value, expected, "info", next(self._time), client=client)
        outcome: Outcome | None = "info"
        try:
            await send()
            outcome = "ok"
        except (AlreadyExists, PreconditionFailed):
            outcome = "fail"
        except (ConnectionFailed, AttemptTimeout) as error:
            outcome = "info" if error.sent else None
        except StoreError:
            pass
        finally:
            if outcome is not None:
                self.operations.append(replace(call, outcome=outcome, end=next(self._time)))
        return outcome or "fail"
