"""Value and gradient of the l1 norm in one pass; called by :mod:`jumpset.kernels.values.l1`."""

from __future__ import annotations

from jumpset.kernels.jit import njit

# Without "nnan" and "ninf": a NaN in an image must reach the value.
_jit = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
_RUN = 4096  # entries summed in their own precision before the sum is added in double precision


@_jit
def run_parts(start, stop, x, factor, with_gradient, values, gradient):
    """Compute the sum of magnitudes of parts ``start`` to ``stop``, and the gradient ``factor · sign``.

    Parameters
    ----------
    x, gradient
        ``(parts, n)``; the gradient is written if ``with_gradient``.
    factor
        A number of x's dtype.
    values
        ``(parts,)`` float64 for the sums, without factor.
    """
    zero = x.dtype.type(0)
    size = x.shape[1]
    for p in range(start, stop):
        value = 0.0
        for begin in range(0, size, _RUN):
            # slices: the compiler then knows that no index is negative
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
                    out[k] = sized if abs(entry) > zero else entry  # 0 and NaN stay
        values[p] = value
