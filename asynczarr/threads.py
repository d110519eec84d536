"""Blocking calls in a bounded number of threads, without ever leaving one behind.

``anyio.to_thread.run_sync`` waits for its thread when an anyio scope is cancelled, but ``asyncio.Task.cancel`` and
``asyncio.timeout`` get past its shield: the call returns at once, the slot is free, and the write still lands later.
:class:`Threads` closes that gap. "Cancelled" means: finished, or never started.

A thread that has finished a call goes on with the next one that waits. So under load a call costs no way through the
event loop before it, and no thread sleeps while there is work.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from anyio import CancelScope, CapacityLimiter, to_thread

from .loops import ByLoop

__all__ = ["Threads"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most `limit` blocking calls at a time on each event loop."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"at least one thread is needed, not {limit}")
        self._limit = limit
        self._crews: ByLoop[_Crew] = ByLoop()

    @property
    def idle(self) -> int:
        """Calls that could begin at once on the running event loop."""
        crew = self._crews.get(asyncio.get_running_loop())
        return self._limit if crew is None else self._limit - crew.active

    @property
    def waiting(self) -> int:
        """Calls of the running event loop that wait for a thread."""
        crew = self._crews.get(asyncio.get_running_loop())
        return 0 if crew is None else crew.waiting

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a thread. A cancelled call returns when the thread has; only then its slot is free."""
        loop = asyncio.get_running_loop()
        crew = self._crews.get(loop)
        if crew is None:
            crew = self._crews[loop] = _Crew(self._limit)
        job = _Job(partial(function, *args, **kwargs), copy_context(), loop.create_future())
        crew.put(job)
        try:
            result: T = await job.future
        except asyncio.CancelledError:
            with CancelScope(shield=True):
                await crew.settle(job)
            raise
        finally:
            del job  # an error holds this frame, and the job the error
        return result


class _Job:
    """One call, and who waits for it."""

    __slots__ = ("_call", "_context", "_error", "_result", "begun", "delivered", "future", "revoked")

    def __init__(self, call: Callable[[], Any], context: Context, future: asyncio.Future[Any]) -> None:
        self._call: Callable[[], Any] | None = call
        self._context: Context | None = context
        self._result: Any = None
        self._error: BaseException | None = None
        self.future = future
        self.begun = self.revoked = False
        self.delivered: asyncio.Event | bool = False

    @property
    def worked(self) -> bool:
        """Whether a thread has had it."""
        return self._call is None

    def work(self) -> None:
        """Do it, in a worker thread. A call that was revoked is over."""
        call, context, self._call, self._context = self._call, self._context, None, None
        if self.revoked or call is None or context is None:
            return
        try:
            self._result = context.run(call)
        except BaseException as error:
            self._error = error

    def deliver(self) -> None:
        """Tell who waits, on the event loop. Nothing of the call is kept: an idle thread remembers its last job."""
        result, error, self._result, self._error = self._result, self._error, None, None
        if not self.worked:
            self.future.cancel()
        elif not self.future.done():
            if isinstance(error, StopIteration):  # which no future takes
                self.future.set_exception(RuntimeError("a call in a thread raised StopIteration"))
            elif error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(result)
        waiter, self.delivered = self.delivered, True
        if isinstance(waiter, asyncio.Event):
            waiter.set()


class _Hop:
    """One stay of a worker thread, and the task that waits for it."""

    __slots__ = ("abandoned", "job", "task")

    def __init__(self, job: _Job) -> None:
        self.job: _Job | None = job
        self.abandoned = False
        self.task: asyncio.Task[None] | None = None


class _Crew:
    """The threads that work for one event loop, and the calls that wait for one. Only those know the loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._unlimited = CapacityLimiter(float("inf"))  # `active` is what counts
        self.active = 0

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._queue)

    def put(self, job: _Job) -> None:
        """Send a thread for a call, or queue it behind others if there may be no more threads."""
        with self._lock:
            if self.active == self._limit:
                self._queue.append(job)
                return
            self.active += 1
            job.begun = True
        hop = _Hop(job)
        hop.task = asyncio.get_running_loop().create_task(to_thread.run_sync(self._stay, hop, limiter=self._unlimited))
        hop.task.add_done_callback(partial(self._back, hop))

    def _back(self, hop: _Hop, task: asyncio.Task[None]) -> None:
        """The thread is back: nothing is left of it when the caller of its last call knows the result."""
        with self._lock:
            last, hop.job = hop.job, None
            # Somebody may cancel every task of a loop: a thread that has begun goes on then, and delivers by itself.
            hop.abandoned = True
            if last is not None and not last.worked:
                self.active -= 1
        if last is not None:
            last.deliver()

    def _stay(self, hop: _Hop) -> None:
        """In the thread: do the call that it was sent for, then others until none waits."""
        with self._lock:
            job, hop.job = hop.job, None
        while job is not None:
            job.work()
            done = job
            with self._lock:
                # Whoever is told that a call is done finds this thread either back or busy with the next one.
                job = self._next()
                if job is None and not hop.abandoned:
                    hop.job = done
                    return
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                done.future.get_loop().call_soon_threadsafe(done.deliver)
            del done

    def _next(self) -> _Job | None:
        if not self._queue:
            self.active -= 1
            return None
        job = self._queue.popleft()
        job.begun = True
        return job

    async def settle(self, job: _Job) -> None:
        """Wait until a cancelled call has returned, or make sure that it never begins."""
        with self._lock:
            job.revoked = True
            if not job.begun:
                self._queue.remove(job)
                return
        if job.delivered:
            return
        job.delivered = done = asyncio.Event()
        while not done.is_set():
            with suppress(asyncio.CancelledError):  # a second cancel changes nothing: the first is raised after this
                await done.wait()
