"""jumpset's own network: a guess, texture statistics, region fusions in whitened colours, a refinement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.kernels.threads import parallel_rows
from jumpset.learned._flat import keep_flat
from jumpset.learned._spectrum import COMPONENTS, SIDE, STEP, Spectrum, Texture
from jumpset.learned._unet import UNet, peak_channels, receptive_radius
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned
from jumpset.regions.fusion import fuse

_FEATURES = 3  # the texture's standard deviations
_LARGEST_CHANGE = 60 / 255  # root mean square of the change that strength 1 allows
_WINDOW = 9  # side of the windows of that mean, which is taken twice
_FUSION_WEIGHTS = (12.0, 32.0)  # where the texture has variance 1 in each component
_FUSION_LEVELS = 10
_FLOOR = 0.3 / 255  # added to each component's standard deviation
_RESIDUAL_SCALE = 4.0  # standard deviations of the whitened residual that are scaled to 1


class JumpsetNetwork(Network):
    """Two U-Nets on 2 × 2 blocks of pixels, and between them texture statistics of the first one's residual.

    The first U-Net makes a guess g of the structure. Colours and spectrum of the texture are estimated from
    the residual f - g of the whole image f. In colour components that are uncorrelated in the texture
    (:class:`~jumpset.learned._spectrum.Spectrum`), the second U-Net has as its input

    - f and g,
    - two region fusions of f, each component divided by the texture's standard deviation: convolutions do not
      average over a whole region, and where the texture is gray, region fusion relies on the hues,
    - a Wiener filter of f: in windows of 16 × 16 pixels F P² / (P² + power), for the coefficients F of f and
      P of the pilot, the mean of the guess and the region fusions,
    - the whitened residual of the pilot, (F - P) / √power,

    and its output is a correction of the pilot.

    Parameters
    ----------
    widths
        Channels of the second U-Net at half the size, a quarter, an eighth, and so on.
    blocks
        Residual blocks of two convolutions at each scale, in the encoder and again in the decoder; the
        coarsest scale has them once. The standard deviations of the texture scale their channels; no batch
        norm.
    guess_widths, guess_blocks
        The same of the first U-Net.
    """

    name = "jumpset-net"
    small: ClassVar = {
        "widths": [16, 32, 64],
        "blocks": [1, 1, 2],
        "guess_widths": [16, 32, 64],
        "guess_blocks": [1, 1, 2],
    }

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128),
        blocks: Sequence[int] = (1, 2, 3),
        guess_widths: Sequence[int] = (32, 64, 128),
        guess_blocks: Sequence[int] = (2, 2, 3),
    ) -> None:
        super().__init__()
        self.size_divisor = max(STEP, 2 ** len(widths), 2 ** len(guess_widths))
        self.spectrum = Spectrum()
        self.first = UNet(4 * COMPONENTS, guess_widths, guess_blocks, 0)
        self.second = UNet((4 + len(_FUSION_WEIGHTS)) * 4 * COMPONENTS, widths, blocks, _FEATURES)
        self.trust = nn.Linear(_FEATURES, 1)
        nn.init.zeros_(self.trust.weight)  # the initial output is the pilot
        nn.init.ones_(self.trust.bias)
        self.guess_radius = receptive_radius(guess_blocks)
        self.refine_radius = receptive_radius(blocks) + SIDE
        # of the U-Nets, and of the coefficients of three components
        self.peak_channels = max(
            peak_channels(widths), peak_channels(guess_widths), COMPONENTS * (SIDE / STEP) ** 2
        )

    def forward(self, image: Tensor, strength: Tensor) -> Tensor:
        """The network without region fusions, which ONNX lacks: the guess is in their place.

        ``(B, 3, H, W)`` and ``(B,)``, both in [0, 1], to ``(B, 3, H, W)``; sides are multiples of
        :attr:`size_divisor`.
        """
        guess = match_tone(self.guess(image), image).detach()  # another loss trains the guess
        texture = self.measure(image - guess)
        return soft_limit(image, self.refine(image, guess, without_fusions(guess), texture), strength)

    def guess(self, image: Tensor) -> Tensor:
        """The first U-Net's estimate of the structure."""
        return image + self.first(image - 0.5, None)

    def measure(self, residual: Tensor) -> Texture:
        """Estimate the texture from the residual of a guess over the whole image."""
        with _float32(residual):
            return self.spectrum.measure(residual)

    def region_fusions(self, image: Tensor, texture: Texture) -> Tensor:
        """The region fusions of each weight, concatenated: ``(B, 6, H, W)``."""
        unit = (texture.deviations + _FLOOR)[:, :, None, None]
        with _float32(image):
            z = self.spectrum.components(image.float(), texture.slopes) / unit
        jobs = [(weight, k) for weight in _FUSION_WEIGHTS for k in range(len(z))]
        fusions = z.new_empty(len(_FUSION_WEIGHTS), *z.shape)

        def work(start: int, stop: int) -> None:
            for n in range(start, stop):
                weight, k = jobs[n]
                fusions[n // len(z), k] = fuse(z[k : k + 1], weight, levels=_FUSION_LEVELS)[0]

        parallel_rows(work, len(jobs))
        with _float32(image):
            return torch.cat([self.spectrum.to_rgb(unit * v, texture.slopes) for v in fusions], dim=1)

    def refine(self, image: Tensor, guess: Tensor, fusions: Tensor, texture: Texture) -> Tensor:
        """The second U-Net's estimate of the structure."""
        with _float32(image):
            inputs, pilot = self._inputs(image, guess, fusions, texture)
        features = torch.log10(255.0 * texture.deviations + 0.1).to(image.dtype)
        correction = self.second(torch.cat(inputs, dim=1), features)
        with _float32(image):
            change = self.trust(features)[:, :, None, None] * (pilot - inputs[0])
            change = self.spectrum.to_rgb(change + correction.to(change.dtype), texture.slopes)
        return image + change

    def _inputs(
        self, image: Tensor, guess: Tensor, fusions: Tensor, texture: Texture
    ) -> tuple[list[Tensor], Tensor]:
        """The input planes of the second U-Net, those of the image first; and the pilot."""
        rgb = (image, guess, *fusions.split(COMPONENTS, dim=1))
        f, g, *v = (self.spectrum.components(x - 0.5, texture.slopes) for x in rgb)
        pilot = (g + sum(v)) / (1 + len(v))
        power = texture.power[..., None, None]
        of_image, of_pilot = self.spectrum.split(f), self.spectrum.split(pilot)
        square = of_pilot.square()
        wiener = self.spectrum.merge(of_image * (square / (square + power)))
        whitened = self.spectrum.merge((of_image - of_pilot) / (_RESIDUAL_SCALE * power.sqrt()))
        return [f, g, *v, wiener, whitened], pilot


def match_tone(guess: Tensor, image: Tensor) -> Tensor:
    """Scale and shift each channel of a guess so that its residual has mean 0 and no correlation with it.

    A network also learns the tones that are common under textures, and imposes the same ones on every image.
    """
    g, f = (x - x.mean((2, 3), keepdim=True) for x in (guess, image))
    flat = 1 / 255**2
    slope = ((g * f).mean((2, 3), keepdim=True) + flat) / (g.square().mean((2, 3), keepdim=True) + flat)
    return image.mean((2, 3), keepdim=True) + slope * g


def without_fusions(guess: Tensor) -> Tensor:
    """The guess in place of every region fusion."""
    return guess.repeat(1, len(_FUSION_WEIGHTS), 1, 1)


def soft_limit(image: Tensor, estimate: Tensor, strength: Tensor) -> Tensor:
    r"""Shrink the change from an image to an estimate where it exceeds what the strength allows.

    .. math:: u = f + \min\Bigl(1, \frac{60/255 \cdot s}{\rho(a - f)}\Bigr) (a - f)

    with ρ the root mean square over the channels and over a window of 17 × 17 pixels: a soft threshold on the
    local strength of texture.

    Parameters
    ----------
    image, estimate
        f and a, ``(B, 3, H, W)``.
    strength
        s in [0, 1], ``(B,)``. At 0 the result is the image.
    """
    change = keep_flat(image, estimate) - image
    power = change.square().mean(1, keepdim=True)
    for side in 2 * ((_WINDOW, 1), (1, _WINDOW)):  # the second mean makes the window fade out
        half = (side[0] // 2, side[1] // 2)
        power = nn.functional.avg_pool2d(power, side, 1, half, count_include_pad=False)
    limit = _LARGEST_CHANGE * strength.view(-1, 1, 1, 1)
    return image + (limit / power.clamp(min=1e-12).sqrt()).clamp(max=1.0) * change


def _float32(like: Tensor) -> torch.autocast:
    """Compute sums of squares in float32, whatever the precision of the layers."""
    return torch.autocast(like.device.type, enabled=False)


@dataclass(frozen=True)
class JumpsetNet(Learned):
    r"""Small network (jumpset-net) trained on synthetic pairs, with region fusion in whitened colours.

    .. math:: u = f + \min\Bigl(1, \frac{60/255 \cdot s}{\rho(a - f)}\Bigr) (a - f), \qquad a = r(f, g, v)

    with s the ``weight``, f the image, a the networks' estimate of its structure, and ρ the root mean square
    over a window of 17 × 17 pixels: a soft threshold on the local strength of texture. At the default s = 0.5
    texture of up to 30/255 vanishes, and stronger texture is reduced by 30/255; the texture of a photograph,
    mostly weaker than 10/255, fades between s = 0 and 0.2. There are three steps: a U-Net's guess g; colours
    and spectrum of the texture, estimated from f - g, and two region fusions v in whitened colours; a second
    U-Net r, which corrects the errors of guess and fusions.

    Parameters
    ----------
    weight
        Strength s, 0 to 1. Larger is smoother; 0 changes nothing. For :func:`jumpset.auto_weight` pass
        ``bounds=(0.01, 1)``.
    weights
        ``"shipped"``, or a ``.safetensors`` file that you have trained.
    precision
        Precision of the layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device
        multiplies it faster, which halves the time. Single regions may then be merged differently.
    tile
        Side in pixels of the tiles, which overlap so that no seam is visible; 0: the largest whose largest
        activation has at most a quarter of a gigabyte.
    fusion
        Whether region fusions are computed. Without them the guess is in their place, which is what
        :func:`jumpset.training.export_onnx` writes, and faster on a GPU.

    Raises
    ------
    InputError
        A parameter out of range.
    FileError
        A file of weights that is missing, damaged, or of another network.

    Notes
    -----
    Ours. Region fusion is that of R. M. H. Nguyen, M. S. Brown, ICCV 2015; the blocks are scaled by features
    as in E. Perez et al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018; the U-Net is
    after O. Ronneberger, P. Fischer, T. Brox, MICCAI 2015. (1) The image is padded by 16 mirrored pixels, so
    that the zero padding of the layers does not affect the result. (2) A gray image is repeated to three
    channels, whose results are averaged; images with other numbers of channels are processed channel by
    channel. (3) Intensities outside [0, 1] are scaled to it and back. (4) The mean of each channel is kept:
    the network's change of it is subtracted. (5) Regions that are constant within 16 pixels are not changed.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> flat = js.run(image, js.learned.JumpsetNet()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.5, checks.real, at_least=0.0, at_most=1.0)
    fusion: bool = parameter(True, checks.flag)

    name: ClassVar[str] = "jumpset-net"
    paper: ClassVar[str] = "ours, after Perez et al. and Ronneberger et al., 2026"
    network = JumpsetNetwork

    def _apply(self, network: Any, padded: Tensor, tiled: Callable[..., Tensor]) -> Tensor:
        """Guess by tiles, estimate texture and region fusions of the whole image, and refine by tiles."""
        guess = match_tone(tiled(network.guess, padded, receptive_radius=network.guess_radius), padded)
        texture = network.measure(padded - guess)
        fusions = network.region_fusions(padded, texture) if self.fusion else without_fusions(guess)

        def refine(planes: Tensor) -> Tensor:
            parts = (x.contiguous() for x in planes.split((3, 3, 3 * len(_FUSION_WEIGHTS)), dim=1))
            return network.refine(*parts, texture)

        planes = torch.cat([padded, guess, fusions], dim=1)
        estimate = tiled(refine, planes, receptive_radius=network.refine_radius)
        return soft_limit(padded, estimate, padded.new_full((1,), self.weight))

    @property
    def share(self) -> float:
        """All of the correction: the strength is applied before."""
        return 1.0
