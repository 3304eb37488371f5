"""Images times numbers, in place; called by :mod:`jumpset.kernels.values._operator`."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def scale_rows(start, stop, rows, factors):
    """Rows ``start`` to ``stop``, in place, times the factor of the image that they belong to."""
    per_image = len(rows) // len(factors)
    for r in range(start, stop):
        factor = factors[r // per_image]
        for k in range(rows.shape[1]):
            rows[r, k] *= factor
