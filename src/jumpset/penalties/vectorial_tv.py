"""Total variation of colour and multi-band images, with a choice of channel couplings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import parameter
from jumpset.kernels.tv.norms import Norm
from jumpset.operators.images import check_tensor
from jumpset.operators.namespaces import namespace
from jumpset.operators.norms import over_channels, root
from jumpset.penalties.solved_prox import SolvedProx
from jumpset.prox.tv import Terms


@dataclass(frozen=True)
class VectorialTV(SolvedProx):
    r"""Vectorial TV: edges at the same place in all channels, for colour and multi-band images.

    With the C × D matrix :math:`J_p` of the forward differences of C channels along D axes, zero across the
    border, :math:`R(x) = \sum_p \|J_p\|` where

    .. math:: \|J\|_{\ell_2} = \Bigl(\sum_{c,k} J_{ck}^2\Bigr)^{1/2}, \qquad
              \|J\|_{\ell_\infty} = \Bigl(\sum_k \max_c J_{ck}^2\Bigr)^{1/2}, \qquad
              \|J\|_{\text{nuclear}} = \sigma_1(J) + \sigma_2(J) + \dots

    Parameters
    ----------
    coupling
        ``"l2"``: the Frobenius norm, in which channels count by their contrast. ``"linf"``: the strongest
        coupling; only the channel of highest contrast counts. ``"nuclear"``: the sum of the singular values,
        small where all channels change in one direction.
    isotropic
        Whether the directions share one root. If not, ``l2`` and ``linf`` are
        :math:`\sum_k (\sum_c J_{ck}^2)^{1/2}` and :math:`\sum_k \max_c |J_{ck}|`; the nuclear norm has no
        such form.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x. A difference along an axis is
        divided by its distance relative to the smallest one. Default: equal.
    periodic
        Whether the first pixel of a line is the neighbour of the last one.

    Raises
    ------
    InputError
        A parameter out of range; or the nuclear norm of three or more channels on three spatial axes, which
        has no closed form.

    Notes
    -----
    ``l2``: X. Bresson, T. Chan, Inverse Problems and Imaging 2008; ``linf``: J. Duran, M. Moeller, C. Sbert,
    D. Cremers, "Collaborative total variation", SIIMS 2016 (their ℓ^{∞,1,1} is the anisotropic form);
    nuclear: K. Holt, IEEE TIP 2014. For rank 2 the nuclear norm is ``√(‖J‖² + 2 √(sum of the squares of all
    2 × 2 minors))`` (Cauchy–Binet), which needs no singular vectors; its cost grows with C². At kinks the
    gradient is the subgradient of least norm: it is divided equally between equal channels, and singular
    values of zero contribute nothing.
    Half precision is computed, and returned, in float32.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.VectorialTV()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [2.0]
    """

    coupling: Literal["l2", "linf", "nuclear"] = parameter(
        "l2", checks.one_of, allowed=("l2", "linf", "nuclear")
    )
    isotropic: bool = parameter(True, checks.flag)

    name: ClassVar[str] = "vectorial-tv"
    paper: ClassVar[str] = "Duran, Moeller, Sbert, Cremers, SIIMS 2016"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.coupling == "nuclear" and not self.isotropic:
            raise InputError(
                "the nuclear norm treats all directions alike",
                given="coupling='nuclear', isotropic=False",
                do="use isotropic=True",
            )

    @property
    def has_prox(self) -> bool:
        """Whether :meth:`prox` is defined."""
        return self.is_plain or self.coupling == "l2"

    def prox_terms(self, v: Tensor) -> Terms:
        """Return what the solver of the prox minimises.

        The dual balls bound, for ``linf``, the ``l1`` norms over channels of each pixel's matrix, and for
        ``nuclear`` its largest singular value.

        Raises
        ------
        InputError
            As for the class, for the nuclear norm.
        """
        check_tensor(v)
        channels, axes = v.shape[1], v.ndim - 2
        coupling = self.coupling if channels > 1 else "l2"
        if coupling == "nuclear":
            _check_rank(channels, axes)
            coupling = "nuclear" if axes > 1 else "l2"
        norm = coupling if self.isotropic else coupling + "-each"
        return Terms(cast(Norm, norm), channels > 1)

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the norm of each pixel's matrix, ``(B, 1, *spatial)``."""
        columns = self.differences(x, mask)
        if self.coupling == "linf":
            squares = [namespace(x).max(d * d, axis=1, keepdims=True) for d in columns]
        else:
            squares = [over_channels(d * d, "joint") for d in columns]
        if not self.isotropic:
            return sum(root(s) for s in squares)
        if self.coupling == "nuclear" and len(columns) > 1 and x.shape[1] != 1:
            return root(sum(squares) + 2 * root(_squared_minors(columns)))
        return root(sum(squares))


def _check_rank(channels: int, axes: int) -> None:
    if channels > 2 and axes > 2:
        raise InputError(
            "the nuclear norm needs two channels or two spatial axes at most",
            given=f"{channels} channels and {axes} spatial axes",
            do="use coupling='l2' or 'linf'",
        )


def _squared_minors(columns: list[Any]) -> Any:
    """Return the sum of the squares of all 2 × 2 minors of each pixel's matrix, whose rank is at most 2."""
    channels = columns[0].shape[1]
    if channels is None:
        raise InputError(
            "the nuclear norm needs the number of channels",
            given="a graph of TensorFlow that leaves it open",
            do="pass tf.TensorSpec([None, 3, None, None])",
        )
    _check_rank(channels, len(columns))
    total = None
    for k, first in enumerate(columns):
        for second in columns[k + 1 :]:
            for apart in range(1, channels):  # pairs of channels at this distance
                here, there = (slice(None), slice(None, -apart)), (slice(None), slice(apart, None))
                minors = first[here] * second[there] - first[there] * second[here]
                squares = over_channels(minors * minors, "joint")
                total = squares if total is None else total + squares
    return total
