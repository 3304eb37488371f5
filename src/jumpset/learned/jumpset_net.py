"""jumpset's own network: a guess, the texture by that guess, fusions in the texture's colours, an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset.kernels.threads import parallel_rows
from jumpset.learned._spectrum import COMPONENTS, SIDE, STEP, Spectrum, Texture
from jumpset.learned._unet import UNet, peak_channels, receptive_radius
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned
from jumpset.regions.fusion import fuse

_FEATURES = 3  # the texture's deviations
_STRONGEST = 60 / 255  # what strength 1 takes away, root mean square
_WINDOW = 9  # side of the windows in which that is measured, twice
_FUSIONS = (12.0, 32.0)  # weights, where the texture has variance 1 in each component
_LEVELS = 10
_GRAIN = 0.3 / 255  # added to each component's deviation
_RESTS = 4.0  # deviations of the whitened rest that count as 1


class JumpsetNetwork(Network):
    """Two U-Nets on 2 × 2 blocks of pixels, and between them what the first one's guess tells of the texture.

    The texture's colours and spectrum are those of what the guess g leaves over of the picture f, as a whole.
    In colours in which its components are uncorrelated (:class:`~jumpset.learned._spectrum.Spectrum`), the
    second U-Net sees

    - f and g,
    - two region fusions of f, where each component counts in units of the texture's deviation: convolutions
      do not average over a whole region, and where texture is gray, fusion trusts the hues,
    - a Wiener filter of f: in windows of 16 × 16 pixels F P² / (P² + power), for the coefficients F of f and
      P of the pilot, the mean of the guess and the fusions,
    - what the pilot leaves over, whitened: (F - P) / √power,

    and says what to add to the pilot.

    Parameters
    ----------
    widths
        Of the second U-Net: channels at half the size, a quarter, an eighth, and so on.
    blocks
        Residual blocks of two convolutions at each scale, on the way down and again on the way up; the
        coarsest has them once. Scaled by the strength of the texture; no batch norm.
    guess_widths, guess_blocks
        Of the first one.
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
        self.second = UNet((4 + len(_FUSIONS)) * 4 * COMPONENTS, widths, blocks, _FEATURES)
        self.trust = nn.Linear(_FEATURES, 1)
        nn.init.zeros_(self.trust.weight)  # it begins with the pilot
        nn.init.ones_(self.trust.bias)
        self.guess_radius, self.answer_radius = (
            receptive_radius(guess_blocks),
            receptive_radius(blocks) + SIDE,
        )
        # the U-Nets', and three components' windows and what is made of them
        self.peak_channels = max(
            peak_channels(widths), peak_channels(guess_widths), COMPONENTS * (SIDE / STEP) ** 2
        )

    def forward(self, picture: Tensor, strength: Tensor) -> Tensor:
        """The network alone, the guess in place of the fusions: layers and sums, which ONNX has.

        ``(B, 3, H, W)`` and ``(B,)``, both in [0, 1], to ``(B, 3, H, W)``; sides by :attr:`size_divisor`.
        """
        guess = match_tone(self.guess(picture), picture).detach()  # the answer does not train the guess
        texture = self.measure(picture - guess)
        return soft_limit(picture, self.answer(picture, guess, unfused(guess), texture), strength)

    def guess(self, picture: Tensor) -> Tensor:
        """What the first U-Net takes for structure."""
        return picture + self.first(picture - 0.5, None)

    def measure(self, residual: Tensor) -> Texture:
        """The texture, by what a guess has left over of the whole picture."""
        with _float32(residual):
            return self.spectrum.measure(residual)

    def fuse(self, picture: Tensor, texture: Texture) -> Tensor:
        """The region fusions, one after the other: ``(B, 6, H, W)``."""
        unit = (texture.deviations + _GRAIN)[:, :, None, None]
        with _float32(picture):
            z = self.spectrum.components(picture.float(), texture.leans) / unit
        jobs = [(weight, k) for weight in _FUSIONS for k in range(len(z))]
        fused = z.new_empty(len(_FUSIONS), *z.shape)

        def work(start: int, stop: int) -> None:
            for n in range(start, stop):
                weight, k = jobs[n]
                fused[n // len(z), k] = fuse(z[k : k + 1], weight, levels=_LEVELS)[0]

        parallel_rows(work, len(jobs))
        with _float32(picture):
            return torch.cat([self.spectrum.colour(unit * v, texture.leans) for v in fused], dim=1)

    def answer(self, picture: Tensor, guess: Tensor, fused: Tensor, texture: Texture) -> Tensor:
        """The second U-Net's picture."""
        with _float32(picture):
            seen, pilot = self._seen(picture, guess, fused, texture)
        features = torch.log10(255.0 * texture.deviations + 0.1).to(picture.dtype)
        found = self.second(torch.cat(seen, dim=1), features)
        with _float32(picture):
            taken = self.trust(features)[:, :, None, None] * (pilot - seen[0])
            change = self.spectrum.colour(taken + found.to(taken.dtype), texture.leans)
        return picture + change

    def _seen(
        self, picture: Tensor, guess: Tensor, fused: Tensor, texture: Texture
    ) -> tuple[list[Tensor], Tensor]:
        """The planes of the second U-Net, the picture first; and the pilot."""
        rgb = (picture, guess, *fused.split(COMPONENTS, dim=1))
        f, g, *v = (self.spectrum.components(x - 0.5, texture.leans) for x in rgb)
        pilot = (g + sum(v)) / (1 + len(v))
        power = texture.power[..., None, None]
        ours, its = self.spectrum.split(f), self.spectrum.split(pilot)
        square = its.square()
        wiener = self.spectrum.merge(ours * (square / (square + power)))
        rest = self.spectrum.merge((ours - its) / (_RESTS * power.sqrt()))
        return [f, g, *v, wiener, rest], pilot


def match_tone(guess: Tensor, picture: Tensor) -> Tensor:
    """The guess, each band scaled and shifted so that what it leaves over has no mean and does not follow it.

    A network guesses the tone behind a texture too, and guesses the same for every picture.
    """
    g, f = (x - x.mean((2, 3), keepdim=True) for x in (guess, picture))
    flat = 1 / 255**2
    slope = ((g * f).mean((2, 3), keepdim=True) + flat) / (g.square().mean((2, 3), keepdim=True) + flat)
    return picture.mean((2, 3), keepdim=True) + slope * g


def unfused(guess: Tensor) -> Tensor:
    """The guess in place of every region fusion."""
    return guess.repeat(1, len(_FUSIONS), 1, 1)


def soft_limit(picture: Tensor, answer: Tensor, strength: Tensor) -> Tensor:
    r"""The answer, drawn back to the picture where it takes away more than the strength allows.

    .. math:: u = f + \min\Bigl(1, \frac{60/255 \cdot s}{\rho(a - f)}\Bigr) (a - f)

    with ρ the root mean square over the bands and over a window of 17 × 17 pixels: a soft threshold on the
    strength of texture, place by place.

    Parameters
    ----------
    picture, answer
        f and a, ``(B, 3, H, W)``.
    strength
        s in [0, 1], ``(B,)``. At 0 the picture comes back as it is.
    """
    change = answer - picture
    power = change.square().mean(1, keepdim=True)
    for side in 2 * ((_WINDOW, 1), (1, _WINDOW)):  # the second mean lets the window fade out
        half = (side[0] // 2, side[1] // 2)
        power = nn.functional.avg_pool2d(power, side, 1, half, count_include_pad=False)
    most = _STRONGEST * strength.view(-1, 1, 1, 1)
    return picture + (most / power.clamp(min=1e-12).sqrt()).clamp(max=1.0) * change


def _float32(like: Tensor) -> torch.autocast:
    """What a sum of squares needs, whatever the layers are computed in."""
    return torch.autocast(like.device.type, enabled=False)


@dataclass(frozen=True)
class JumpsetNet(Learned):
    r"""jumpset-net: a small network trained on synthetic pairs, with region fusion in the texture's colours.

    .. math:: u = f + \min\Bigl(1, \frac{60/255 \cdot s}{\rho(a - f)}\Bigr) (a - f), \qquad a = r(f, g, v)

    with s the ``weight``, f the picture, a what the networks take for its structure, and ρ the root mean
    square over a window of 17 × 17 pixels: a soft threshold on the strength of texture, place by place. At
    the default s = 0.5 texture of up to 30/255 vanishes, and what is stronger is weakened by as much; a
    photograph's, mostly weaker than 10/255, fades between 0 and 0.2. In three steps: a U-Net's guess g; the
    texture's colours and spectrum, told from f - g, and two region fusions v in those colours; a second U-Net
    r, which sees where guess and fusions err.

    Parameters
    ----------
    weight
        Strength s, 0 to 1. Larger is smoother; 0 changes nothing. For :func:`jumpset.auto_weight` pass
        ``bounds=(0.01, 1)``.
    fusion
        Whether there are fusions. Without them the guess stands in their place: the network alone, which is
        what :func:`jumpset.training.export_onnx` writes, and quicker on a GPU.
    weights
        ``"shipped"``, or a ``.safetensors`` file of your own training.
    precision
        Of the layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device
        multiplies it faster, which takes half the time. Single regions may then be fused otherwise.
    tile
        Side in pixels of the parts that a picture is computed in, which overlap so that no seam is left;
        0: as large as a quarter of a gigabyte an activation allows.

    Raises
    ------
    InputError
        A parameter out of range.
    FileError
        A file of weights that is missing, damaged, or of another network.

    Notes
    -----
    Ours. The fusions are those of R. M. H. Nguyen, M. S. Brown, ICCV 2015; the blocks are scaled by the
    strength as in E. Perez et al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018; the
    U-Net is after O. Ronneberger, P. Fischer, T. Brox, MICCAI 2015. (1) The picture is continued by 16
    mirrored pixels, so that the zeros at the borders of the layers are not seen. (2) Gray pictures are seen
    as three equal bands, and the mean of the answers taken; other numbers of bands go one by one.
    (3) Intensities outside [0, 1] are scaled into it and back. (4) The mean of each band is kept: what the
    network would add to it is taken away again.
    """

    weight: float = 0.5
    fusion: bool = True

    name: ClassVar[str] = "jumpset-net"
    paper: ClassVar[str] = "ours, after Perez et al. and Ronneberger et al., 2026"
    network = JumpsetNetwork

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.flag("fusion", self.fusion)

    def _answer(self, network: Any, framed: Tensor, tiled: Callable[..., Tensor]) -> Tensor:
        """The guess of all parts, then texture and fusions of the whole, then the answer of all parts."""
        guess = match_tone(tiled(network.guess, framed, receptive_radius=network.guess_radius), framed)
        texture = network.measure(framed - guess)
        fused = network.fuse(framed, texture) if self.fusion else unfused(guess)

        def answer(planes: Tensor) -> Tensor:
            parts = (x.contiguous() for x in planes.split((3, 3, 3 * len(_FUSIONS)), dim=1))
            return network.answer(*parts, texture)

        full = tiled(answer, torch.cat([framed, guess, fused], dim=1), receptive_radius=network.answer_radius)
        return soft_limit(framed, full, framed.new_full((1,), self.weight))

    @property
    def share(self) -> float:
        """All of the answer: the strength is in it."""
        return 1.0
