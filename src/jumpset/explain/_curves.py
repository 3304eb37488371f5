"""Insertion and deletion: how fast a network's score follows an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Images, PerImage
from jumpset.explain._model import Reference, Scorer, Target, check_model, evaluation, reference_image


@dataclass(frozen=True, eq=False)
class Curves:
    """The result of :func:`insertion_deletion`, for B images.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    >>> x = torch.rand(2, 1, 8, 8)
    >>> js.explain.insertion_deletion(model, x, x).insertion.shape
    torch.Size([2, 51])
    """

    share: Tensor
    """``(n_steps + 1,)``, the share of the pixels that were inserted or deleted, from 0 to 1."""
    insertion: Tensor
    """``(B, n_steps + 1)``, the score while the first pixels of the ranking replace the reference."""
    deletion: Tensor
    """``(B, n_steps + 1)``, the score while the reference replaces them."""
    insertion_auc: PerImage
    """``(B,)``, the mean of the insertion curve; high if the explanation finds what suffices."""
    deletion_auc: PerImage
    """``(B,)``, the mean of the deletion curve; low if the explanation finds what is needed."""


def insertion_deletion(
    model: Any,
    image: Images,
    saliency: Tensor,
    *,
    target: Target = None,
    reference: Reference = "blur",
    n_steps: int = 50,
    seed: int = 0,
) -> Curves:
    """Insertion and deletion curves of an explanation, and the areas below them.

    Pixels are inserted into the reference, or deleted from the image, in the order of their saliency.

    Parameters
    ----------
    model, image, target, reference
        As in :func:`mask`.
    saliency
        ``(B, 1, *spatial)``, a tensor: large where a pixel matters. Equal values are in random order.
    n_steps
        Number of points of the curves after the first, at least 1.
    seed
        Seed of the order of equal values.

    Returns
    -------
    Curves
        Both curves, and their areas by the trapezoidal rule.

    Raises
    ------
    InputError
        As :func:`mask`; a saliency of another shape, or with NaN.

    Notes
    -----
    V. Petsiuk, A. Das, K. Saenko, "RISE: randomized input sampling for explanation of black-box models", BMVC
    2018. (1) Both curves use the same reference, where they delete to gray. All scores depend on the
    reference; compare those of one reference only.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.zeros(1, 1, 8, 8)
    >>> x[..., 2:4, 2:4] = 1.0
    >>> total = lambda x: x.sum((1, 2, 3))  # of the four bright pixels
    >>> good, bad = (
    ...     js.explain.insertion_deletion(lambda x: x, x, s, target=total, reference=0.0, n_steps=16)
    ...     for s in (x, -x)
    ... )
    >>> round(float(good.insertion_auc), 3), round(float(bad.insertion_auc), 3)
    (3.875, 0.125)
    """
    check_model(model, image)
    checks.integer("n_steps", n_steps, at_least=1)
    checks.integer("seed", seed, at_least=0)
    shape = (len(image), 1, *image.shape[2:])
    if not isinstance(saliency, Tensor) or saliency.shape != shape:
        given = f"shape {tuple(saliency.shape)}" if isinstance(saliency, Tensor) else type(saliency).__name__
        raise InputError(
            "saliency must have one value per pixel", given=given, do=f"pass a tensor of shape {shape}"
        )
    if bool(torch.isnan(saliency).any()):
        raise InputError("saliency has NaN", given="NaN", do="rank unknown pixels last, by -inf")
    hidden = reference_image(reference, image)
    rank = _ranks(saliency, seed).to(image.device)
    share = torch.linspace(0.0, 1.0, n_steps + 1, dtype=torch.float64)
    curves: dict[str, list[Tensor]] = {"insertion": [], "deletion": []}
    with evaluation(model), torch.no_grad():
        scorer = Scorer(model, image, target)
        for part in share.tolist():
            first = rank < round(part * rank[0].numel())
            curves["insertion"].append(scorer.score(torch.where(first, image, hidden)))
            curves["deletion"].append(scorer.score(torch.where(first, hidden, image)))
    insertion, deletion = (torch.stack(of, 1) for of in curves.values())
    areas = [torch.trapezoid(of, share.to(of), dim=1) for of in (insertion, deletion)]
    return Curves(share, insertion, deletion, *areas)


def _ranks(saliency: Tensor, seed: int) -> Tensor:
    """Return the place of each pixel in the order of decreasing saliency, in the shape of the saliency."""
    values = saliency.detach().cpu().flatten(1)
    shuffled = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(int(seed)))
    order = shuffled[values[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    places = torch.arange(values.shape[1]).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).reshape(saliency.shape)
