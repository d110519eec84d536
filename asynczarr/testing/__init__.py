"""The public test kit. It is imported by tests only; what needs pytest is loaded when first used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .clock import VirtualClock
from .fault_proxy import FaultProxy
from .fault_server import FaultServer
from .faults import Fault
from .faulty import FaultyStore
from .history import History, Operation, linearize
from .keys import HOSTILE_KEYS, HOSTILE_PREFIXES, ODD_KEYS
from .wire_faults import Drawn, Scripted, WireFault, seed

if TYPE_CHECKING:
    from .store_suite import StoreContract

__all__ = [
    "HOSTILE_KEYS",
    "HOSTILE_PREFIXES",
    "ODD_KEYS",
    "Drawn",
    "Fault",
    "FaultProxy",
    "FaultServer",
    "FaultyStore",
    "History",
    "Operation",
    "Scripted",
    "StoreContract",
    "VirtualClock",
    "WireFault",
    "linearize",
    "seed",
]

_WITH_ASSERTIONS = ("store_suite", "listing_suite", "conditions_suite", "many_suite", "asking")


def __getattr__(name: str) -> object:
    if name == "StoreContract":
        modules = [f"{__name__}.{module}" for module in _WITH_ASSERTIONS]
        if modules[0] not in sys.modules:
            import pytest

            pytest.register_assert_rewrite(*modules)  # failed assertions show their values
        from .store_suite import StoreContract

        return StoreContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
