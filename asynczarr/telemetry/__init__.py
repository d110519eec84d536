"""What happens inside, as frozen records that anybody may listen to.

::

    from asynczarr.telemetry import events, subscribe

    with subscribe(print, events.Retry, events.Failed):
        ...
"""

from __future__ import annotations

from .hooks import Subscription, subscribe

__all__ = ["Subscription", "subscribe"]
