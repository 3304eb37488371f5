"""What an explanation needs of a network: scores of images, and a reference that hides pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.images import check_images
from jumpset.operators.linear import Blur
from jumpset.operators.precision import at_least_single

Target = int | Tensor | Callable[[Any], Tensor] | None
Reference = Literal["blur"] | float | Tensor | np.ndarray

_BLUR = 0.1  # standard deviation of the blur, relative to the shortest side above 1


class Scorer:
    """The score of each image: of its class, or of a function of the outputs."""

    def __init__(self, model: Any, image: Tensor, target: Target) -> None:
        self.model = model
        self.function = target if callable(target) else None
        self.classes: Tensor | None = None
        if self.function is None:
            with torch.no_grad():
                self.classes = _classes(self._outputs(image), target)  # pyright: ignore[reportArgumentType]

    def score(self, x: Tensor) -> Tensor:
        """Return the probability of the class, or the value of the function, ``(B,)``."""
        return self.as_score(self.objective(x))

    def as_score(self, objective: Tensor) -> Tensor:
        """Return the score that belongs to an objective."""
        return objective.sigmoid() if self.function is None else objective

    def objective(self, x: Tensor) -> Tensor:
        """Return what is maximised, ``(B,)``: the log odds of the class, or the value of the function.

        The log odds ``log p / (1 - p)`` grow with the probability, and have a gradient where it is almost 1.
        """
        if self.function is not None:
            value = self.function(self.model(x))
            if not isinstance(value, Tensor) or value.shape != (len(x),):
                raise InputError(
                    "target must return one number per image",
                    given=_described(value),
                    do=f"return a tensor of shape ({len(x)},), e.g. lambda out: out[:, 3]",
                )
        else:
            assert self.classes is not None
            logits, index = at_least_single(self._outputs(x)), self.classes[:, None]
            others = logits.scatter(1, index, -torch.inf).logsumexp(1)
            value = logits.gather(1, index)[:, 0] - others
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                "the network's score is not finite",
                given=f"{int((~torch.isfinite(value)).sum())} of {len(x)} images",
                do="check the range of the image, or the dtype of the network",
            )
        return value

    def _outputs(self, x: Tensor) -> Tensor:
        out = self.model(x)
        if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != len(x) or out.shape[1] < 2:
            raise InputError(
                "the network must return one logit per image and class, with at least two classes",
                given=_described(out),
                do="pass target=function, from the outputs to one number per image",
            )
        return out


def _classes(logits: Tensor, target: Any) -> Tensor:
    """Return the class of each image, ``(B,)``: the given ones, or those with the greatest logit."""
    count, n = logits.shape
    if target is None:
        return logits.argmax(1)
    try:
        given = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError):
        given = torch.tensor(torch.nan)  # no class
    numbers = not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)
    if not numbers or given.shape not in ((), (count,)) or bool(((given < 0) | (given >= n)).any()):
        raise InputError(
            f"target must be a class from 0 to {n - 1}, or one per image",
            given=target if given.ndim == 0 else f"{given.dtype} {tuple(given.shape)}",
            do=f"pass an int, or {count} whole numbers from 0 to {n - 1}",
        )
    return given.to(logits.device, torch.int64).expand(count)


def _described(out: Any) -> str:
    return f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__


@contextmanager
def evaluation(model: Any) -> Iterator[None]:
    """Put every module of the network into evaluation mode, and back: dropout and batch norm stay fixed."""
    training = [part for part in model.modules() if part.training] if isinstance(model, nn.Module) else []
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def check_model(model: Any, image: Any) -> None:
    """Raise unless the image is a batch of finite floats, and the model can be called."""
    if not callable(model):
        raise InputError("model must be callable", given=type(model).__name__, do="pass e.g. a nn.Module")
    if not isinstance(image, Tensor):
        given = type(image).__name__
        do = "pass a tensor (B, C, H, W), e.g. torch.from_numpy(x)[None]"
        raise InputError("the image must be the network's input", given=given, do=do)
    check_images(image, may_be=False)
    weights = next(iter(model.parameters()), None) if isinstance(model, nn.Module) else None
    if weights is not None and weights.is_floating_point() and weights.dtype != image.dtype:
        given, do = f"{image.dtype} for weights of {weights.dtype}", f"pass image.to({weights.dtype})"
        raise InputError("the network takes another dtype", given=given, do=do)
    if len(image) == 0:
        raise InputError("there is no image", given=f"shape {tuple(image.shape)}", do="pass at least one")
    if not bool(torch.isfinite(image).all()):
        raise InputError("the image has values that are not finite", given="NaN or inf", do="fill them")


def reference_image(reference: Any, image: Tensor) -> Tensor:
    """Return what replaces hidden pixels, broadcastable to the image."""
    if isinstance(reference, str):
        checks.one_of("reference", reference, ("blur",))
        long = [n for n in image.shape[2:] if n > 1]
        blur = Blur.gaussian(max(0.5, _BLUR * min(long, default=1)), spatial_ndim=image.ndim - 2)
        return blur(at_least_single(image.detach())).to(image.dtype)
    if not isinstance(reference, (Tensor, np.ndarray)):
        checks.real("reference", reference)
    given = torch.as_tensor(reference, dtype=image.dtype, device=image.device).detach()
    try:
        given.expand(image.shape)
    except RuntimeError:
        raise InputError(
            "reference must broadcast to the image",
            given=f"shape {tuple(given.shape)} for {tuple(image.shape)}",
            do='pass "blur", a number, or a tensor such as (1, C, 1, 1)',
        ) from None
    if not bool(torch.isfinite(given).all()):
        raise InputError("reference has values that are not finite", given="NaN or inf", do="fill them")
    return given
