"""Multiply images by numbers in place; called by :mod:`jumpset.kernels.values._operator`."""

from __future__ import annotations

from jumpset.kernels.jit import njit


@njit(cache=True, nogil=True)
def scale_rows(start, stop, rows, factors):
    """Multiply rows ``start`` to ``stop`` in place by the factor of their image."""
    per_image = len(rows) // len(factors)
    for r in range(start, stop):
        factor = factors[r // per_image]
        for k in range(rows.shape[1]):
            rows[r, k] *= factor
