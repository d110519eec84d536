"""Proof under faults. Seconds in the ordinary suite; ``nox -s chaos`` runs it with figures, ``ASYNCZARR_CHAOS=long`` longer."""
