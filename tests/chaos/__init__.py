"""Proof under faults: seconds in the ordinary suite, longer and with figures under ``nox -s chaos``."""
