"""Value and gradient of the l1 norm in one pass; called by :mod:`jumpset.kernels.values.l1`."""

from __future__ import annotations

from numba import njit

# Without "nnan" and "ninf": a NaN in a picture must show in the value.
_jit = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
_RUN = 4096  # entries that are summed in their own precision, before they join the sum in double precision


@_jit
def run_parts(start, stop, x, factor, with_gradient, values, gradient):
    """Parts ``start`` to ``stop``: the sum of the sizes of each, and ``factor · sign``.

    Parameters
    ----------
    x, gradient
        ``(parts, n)``; the gradient is written where it is wanted.
    factor
        In x's dtype.
    values
        ``(parts,)`` float64, filled, without factor.
    """
    zero = x.dtype.type(0)
    size = x.shape[1]
    for p in range(start, stop):
        value = 0.0
        for begin in range(0, size, _RUN):
            # slices, so that the compiler sees that no index counts from the end
            row = x[p, begin : begin + _RUN]
            total = zero
            for k in range(len(row)):
                total += abs(row[k])
            value += total
            if with_gradient:
                out = gradient[p, begin : begin + _RUN]
                for k in range(len(row)):
                    entry = row[k]
                    sized = factor if entry > zero else -factor
                    out[k] = sized if entry != zero else zero
        values[p] = value
