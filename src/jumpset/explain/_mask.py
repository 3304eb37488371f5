"""A contiguous mask that keeps the decision of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.text import Brief
from jumpset._core.types import Images, PerImage
from jumpset.explain._area import onto_area
from jumpset.explain._model import Reference, Scorer, Target, check_model, evaluation, reference_image
from jumpset.operators.images import spread
from jumpset.operators.precision import at_least_single
from jumpset.penalties.base import Penalty
from jumpset.penalties.solved_prox import SolvedProx
from jumpset.penalties.total_variation import TotalVariation

_TOL = 1e-3  # relative gap of a proximal step; the next steps begin at its dual variable
_MOMENTUM = 0.5


@dataclass(frozen=True, eq=False)
class Explanation(Brief):
    """The result of :func:`mask`, for B images.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    >>> found = js.explain.mask(model, torch.rand(2, 1, 8, 8), area=0.25, max_steps=5)
    >>> found.mask.shape, found.history.shape
    (torch.Size([2, 1, 8, 8]), torch.Size([5, 2]))
    """

    mask: Tensor
    """``(B, 1, *spatial)``, float32, from 0 (hidden) to 1 (kept); its mean is the area."""
    image: Images
    """What the network was given last: the image where the mask is 1, the reference where it is 0."""
    target: Tensor | None
    """``(B,)``, the class of each image; None if a function was given."""
    score: PerImage
    """``(B,)``, the probability of the class with the mask, or the value of the function."""
    full_score: PerImage
    """The same of the image itself."""
    hidden_score: PerImage
    """The same of the reference, with everything hidden."""
    history: Tensor
    """``(max_steps, B)``, the score before each step, with its noise."""


def mask(
    model: Any,
    image: Images,
    *,
    area: float = 0.1,
    penalty: Penalty | None = None,
    weight: float = 1.0,
    target: Target = None,
    reference: Reference = "blur",
    cell: int = 1,
    noise: float = 0.1,
    max_steps: int = 60,
    step_size: float = 0.3,
    seed: int = 0,
) -> Explanation:
    r"""Explanation mask: the contiguous part of an image, of a given area, that keeps a network's decision.

    .. math:: \max_m \; s\bigl(m \odot x + (1 - m) \odot r\bigr) - \text{weight} \cdot R(m)
              \quad\text{with}\quad 0 \le m \le 1, \quad \operatorname{mean}(m) = \text{area}

    with x the image, r the reference and s the log odds of the class, log p / (1 − p), by proximal gradient
    steps.

    Parameters
    ----------
    model
        A ``nn.Module`` or a function, from ``(B, C, *spatial)`` to logits ``(B, classes)``. Its modules are
        in evaluation mode meanwhile; its parameters and their gradients do not change.
    image
        ``(B, C, *spatial)``, a tensor with one to three spatial axes, as the network takes it.
    area
        Mean of the mask, above 0 and below 1.
    penalty
        R, with a prox; total variation by default, whose masks are nearly binary and have few regions.
        With ``js.L1()`` the area alone is prescribed, and the mask is scattered.
    weight
        At least 0, in units of the root mean square of the gradient of s in the mask. With total variation,
        images of twice the side length need about twice the weight.
    target
        The class: one for all images, or one per image. ``None``: the one that the network predicts.
        Networks of another kind: a function from their outputs to one number per image, which is s.
    reference
        What replaces the hidden pixels. ``"blur"``: the image after a Gaussian blur by a tenth of its
        shortest side. A number, or an array that broadcasts to the image.
    cell
        Side of the squares in which the mask is constant, in pixels; it must divide the sides of the image.
        Larger cells are faster for large images.
    noise
        Standard deviation of the noise that is added to the network's input at each step, relative to that of
        the image. It keeps the mask from fitting single pixels.
    max_steps
        Number of steps, at least 1; their length falls to 0 along a cosine.
    step_size
        Length of the first step, above 0: the root mean square of the change of the mask.
    seed
        Seed of the noise.

    Returns
    -------
    Explanation
        Masks, scores and history. Each image has the mask that it would have alone, up to rounding.

    Raises
    ------
    InputError
        A parameter out of range, a penalty without a prox, outputs of another shape, or scores that are not
        finite.

    Notes
    -----
    After R. Fong, M. Patrick, A. Vedaldi, "Understanding deep networks via extremal perturbations and smooth
    masks", ICCV 2019. (1) The area is exact: after each prox, the mask is projected onto the masks of this
    area, ``clip(v − c, 0, 1)``, with c found by bisection. For anisotropic total variation, prox and
    projection together are the exact proximal step under the constraints; for other penalties they
    approximate it. (2) The penalty makes the mask contiguous, where they use a mask that is smooth by
    construction. (3) The gradient is divided by its root mean square, so that the settings do not depend on
    the network. The problem is not convex: the mask is a good one, not the best.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.zeros(1, 1, 16, 16)
    >>> x[..., 4:8, 8:12] = 1.0
    >>> bright = lambda x: torch.stack([x.mean((1, 2, 3)), 0.01 + 0 * x.mean((1, 2, 3))], 1)  # two logits
    >>> found = js.explain.mask(bright, x, area=16 / 256, target=0, reference=0.0)
    >>> bool((found.mask[x == 1] > 0.9).all()), round(float(found.mask.mean()), 4)
    (True, 0.0625)
    """
    check_model(model, image)
    penalty = TotalVariation() if penalty is None else penalty
    _check(penalty, area, weight, noise, step_size)
    for name, value in {"max_steps": max_steps, "cell": cell}.items():
        checks.integer(name, value, at_least=1)
    checks.integer("seed", seed, at_least=0)
    sides = tuple(image.shape[2:])
    if any(n % cell for n in sides):
        fitting = [k for k in range(1, max(sides) + 1) if all(n % k == 0 for n in sides)]
        do = f"use one of: {', '.join(map(str, fitting))}"
        raise InputError("cell must divide the sides of the image", given=f"{cell} for {sides}", do=do)
    image = image.detach()
    hidden = reference_image(reference, image)
    deviation = at_least_single(image).flatten(1).std(1, correction=0)
    generator = torch.Generator().manual_seed(int(seed))
    shape = (len(image), 1, *(n // cell for n in sides))
    m = torch.full(shape, float(area), device=image.device)
    direction, dual, history = torch.zeros_like(m), None, []

    def blend(m: Tensor, grain: Tensor | float = 0.0) -> Tensor:
        return (hidden + _upsampled(m, cell) * (image - hidden) + grain).to(image.dtype)

    with evaluation(model):
        scorer = Scorer(model, image, target)
        for k in range(max_steps):
            grain = torch.randn(image.shape[1:], generator=generator).to(image)  # one for all images
            grain = spread(noise * deviation, image) * grain
            value, gradient = _gradient(scorer, m, partial(blend, grain=grain))
            history.append(value)
            direction = _MOMENTUM * direction + (1.0 - _MOMENTUM) * gradient
            step = 0.5 * step_size * (1.0 + math.cos(math.pi * k / max_steps))
            m, dual = _prox(penalty, m + step * direction, step * weight, dual)
            m = onto_area(m, area)
        with torch.no_grad():
            given = blend(m)
            score, full, nothing = (scorer.score(x.expand(image.shape)) for x in (given, image, hidden))
    scores = torch.stack(history)
    return Explanation(_upsampled(m, cell), given, scorer.classes, score, full, nothing, scores)


def _check(penalty: Any, area: float, weight: float, noise: float, step_size: float) -> None:
    checks.real("area", area, above=0.0, below=1.0)
    checks.real("weight", weight, at_least=0.0)
    checks.real("noise", noise, at_least=0.0)
    checks.real("step_size", step_size, above=0.0)
    if not isinstance(penalty, Penalty) or not penalty.has_prox:
        raise InputError(
            "penalty must be a penalty with a prox", given=repr(penalty), do="pass e.g. js.TotalVariation()"
        )


def _gradient(scorer: Scorer, m: Tensor, seen: Any) -> tuple[Tensor, Tensor]:
    """Return the score of each image, and its gradient in the mask with a root mean square of 1."""
    with torch.enable_grad():
        place = m.detach().requires_grad_()
        value = scorer.objective(seen(place))
        found = None
        if value.requires_grad:
            (found,) = torch.autograd.grad(value.sum(), place, allow_unused=True)
    if found is None:
        raise InputError(
            "the network's score has no gradient in the image",
            given=type(scorer.model).__name__,
            do="call it without torch.no_grad, detach or rounding inside",
        )
    if not bool(torch.isfinite(found).all()):
        raise InputError(
            "the gradient of the network's score is not finite",
            given=type(scorer.model).__name__,
            do="look for a root or a quotient whose argument becomes 0",
        )
    size = found.flatten(1).square().mean(1).sqrt()
    return scorer.as_score(value.detach()), found / spread(size.clamp_min(1e-30), found)


def _prox(penalty: Penalty, v: Tensor, tau: float, dual: Tensor | None) -> tuple[Tensor, Tensor | None]:
    with torch.no_grad():
        if not isinstance(penalty, SolvedProx):
            return penalty.prox(v, tau), None
        found = penalty.prox_solution(v, tau, tol=_TOL, dual=dual)
        return found.image, found.dual


def _upsampled(m: Tensor, cell: int) -> Tensor:
    for axis in range(2, m.ndim):
        m = m.repeat_interleave(cell, axis) if cell > 1 else m
    return m
