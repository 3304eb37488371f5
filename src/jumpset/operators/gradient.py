"""Gradient and divergence of torch tensors by forward differences: negative adjoints of each other."""

from __future__ import annotations

import torch

from jumpset._core.errors import InputError
from jumpset._core.types import Fields, Images


def gradient(u: Images) -> Fields:
    r"""Compute forward differences along every spatial axis, zero across the border (Neumann).

    .. math:: (\nabla u)_{d}(x) = u(x + e_d) - u(x), \quad 0 \text{ where } x + e_d \text{ lies outside}

    Parameters
    ----------
    u
        ``(B, C, *spatial)`` with one to three spatial axes.

    Returns
    -------
    Tensor
        ``(B, D, C, *spatial)``: entry d of axis 1 is the difference along spatial axis d, per pixel.

    Raises
    ------
    InputError
        Another number of axes.

    See Also
    --------
    divergence : ``⟨gradient(u), p⟩ = -⟨u, divergence(p)⟩``; ‖gradient‖² < 4 D.

    Examples
    --------
    >>> import torch
    >>> from jumpset.operators import gradient
    >>> gradient(torch.tensor([[[1.0, 4.0, 9.0]]]))
    tensor([[[[3., 5., 0.]]]])
    """
    if not 3 <= u.ndim <= 5:
        raise InputError(
            "a gradient needs one to three spatial axes",
            given=f"shape {tuple(u.shape)}",
            do="pass (B, C, W), (B, C, H, W) or (B, C, D, H, W)",
        )
    return torch.stack([u.diff(dim=d, append=u.narrow(d, -1, 1)) for d in range(2, u.ndim)], dim=1)


def divergence(p: Fields) -> Images:
    r"""Compute the negative adjoint of :func:`gradient`: backward differences, no flow across the border.

    .. math:: (\mathrm{div}\, p)(x) = \sum_d p_d(x) - p_d(x - e_d)

    where an entry outside, and one at the last index of its axis, counts as zero.

    Parameters
    ----------
    p
        ``(B, D, C, *spatial)`` with D the number of spatial axes, one to three.

    Returns
    -------
    Tensor
        ``(B, C, *spatial)``.

    Raises
    ------
    InputError
        Another number of axes, or D is not the number of spatial axes.

    Examples
    --------
    >>> import torch
    >>> from jumpset.operators import divergence, gradient
    >>> x = torch.rand(1, 1, 4, 5, dtype=torch.float64)
    >>> p = gradient(x)
    >>> bool(torch.isclose((gradient(x) * p).sum(), -(x * divergence(p)).sum()))
    True
    """
    axes = p.ndim - 3
    if not 1 <= axes <= 3 or p.shape[1] != axes:
        raise InputError(
            "a divergence needs one field for each of one to three spatial axes",
            given=f"shape {tuple(p.shape)}",
            do="pass (B, D, C, *spatial) with D spatial axes, as gradient returns it",
        )
    total = torch.zeros_like(p[:, 0])
    for d, field in enumerate(p.unbind(1)):
        axis = d + 2
        inner = field.narrow(axis, 0, field.shape[axis] - 1)
        border = torch.zeros_like(field.narrow(axis, 0, 1))
        total = total + inner.diff(dim=axis, prepend=border, append=border)
    return total
