"""
Holes, blur, few pixels, projections
====================================

:func:`jumpset.restore` takes data and the operator that made them. The default prior looks for flat regions.
The level of the noise is known here; otherwise it is estimated.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import jumpset as js
from jumpset import operators

truth = js.datasets.shapes(128, 160, seed=1003)
u = torch.from_numpy(truth).movedim(-1, 0)[None]
rng = torch.Generator().manual_seed(0)
cases = {
    "half of the pixels": (operators.Mask(torch.rand(128, 160, generator=rng) < 0.5), 0.0),
    "Gaussian blur, σ = 2": (operators.Blur.gaussian(2.0), 0.01),
    "motion over 15 pixels": (operators.Blur.motion(15, 30.0), 0.01),
    "4 times fewer pixels": (operators.Downsample(4, (128, 160), "cubic"), 0.0),
    "one colour a pixel": (operators.ColorFilterArray(), 0.02),
}


def show(ax, image, title):
    """Draw an image ``(1, C, H, W)``."""
    ax.imshow(image[0].movedim(0, -1).squeeze(-1).clip(0, 1).numpy(), cmap="gray", vmin=0, vmax=1)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


fig, axes = plt.subplots(len(cases), 3, figsize=(9, 12), layout="constrained")
for row, (title, (operator, noise)) in zip(axes, cases.items(), strict=True):
    data = operator(u)
    data = data + noise * torch.randn(data.shape, generator=rng)
    if isinstance(operator, operators.Mask):
        data = operator(data)
    show(row[0], data, title)
    for ax, prior in zip(row[1:], ("potts", "tv"), strict=True):
        image = js.restore(data, operator, prior=prior, noise=noise).image
        psnr = js.metrics.psnr(image[0].movedim(0, -1).numpy().clip(0, 1), truth)
        show(ax, image, f"{prior}: {psnr:.1f} dB")

# %%
# The data need not be an image: sums along rays at 30 angles, and samples of the Fourier transform. Both are
# taken as they are, and ``lower=0`` is met exactly.
phantom = torch.from_numpy(js.datasets.shapes(96, 96, seed=7, channels=1))[None, None]
i, j = np.mgrid[:96, :96] - 47.5
phantom = phantom * torch.from_numpy(i**2 + j**2 < 45**2)
rays = operators.Radon(30, (96, 96))
lines = torch.rand(96, generator=rng) < 0.3
lines[:5] = lines[-5:] = True
samples = operators.Fourier(lines[:, None].expand(96, 96))

fig, axes = plt.subplots(2, 4, figsize=(11, 6), layout="constrained")
for row, operator, noise in zip(axes, (rays, samples), (0.1, 0.01), strict=True):
    data = operator(phantom)
    data = data + noise * torch.randn(data.shape, generator=rng) * (data != 0)
    spectrum = torch.fft.fftshift(torch.view_as_complex(data).abs()) if operator is samples else data
    scaled = (spectrum / spectrum.max()).sqrt() if operator is samples else spectrum / spectrum.max()
    show(row[0], phantom, "truth")
    show(row[1], scaled, "30 angles" if operator is rays else "lines of the Fourier transform, √|y|")
    for ax, prior in zip(row[2:], ("potts", "tv"), strict=True):
        result = js.restore(data, operator, prior=prior, noise=noise, lower=0.0)
        psnr = js.metrics.psnr(result.image[0, 0].numpy().clip(0, 1), phantom[0, 0].numpy())
        show(ax, result.image, f"{prior}: {psnr:.1f} dB")

# %%
# What was not received is left out: ``missing="nan"``, or a number, or an array that marks it. Here a sixth
# of the detectors are dead. A fan of rays instead of parallel ones is another operator, nothing more.
fan = operators.FanBeam(40, (96, 96), source=200.0, detector=200.0)
data = fan(phantom)
data = data + 0.1 * torch.randn(data.shape, generator=rng)
data[..., torch.rand(data.shape[-1], generator=rng) < 1 / 6] = torch.nan

fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
show(axes[0], torch.nan_to_num(data / data[data.isfinite()].max()), "a fan at 40 angles, dead detectors")
for ax, filled in zip(axes[1:], (False, True), strict=True):
    given = torch.nan_to_num(data) if filled else data
    result = js.restore(given, fan, prior="l0", noise=0.1, lower=0.0, missing=None if filled else "nan")
    psnr = js.metrics.psnr(result.image[0, 0].numpy().clip(0, 1), phantom[0, 0].numpy())
    show(ax, result.image, f"{'taken as zeros' if filled else 'left out'}: {psnr:.1f} dB")

# %%
# For an image from a JPEG file the data are the intervals of its coefficients, which the tables of the file
# give. The method ``dejpeg`` is made for them.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "drawing.jpg"
    js.io.write_picture(path, np.rint(255 * truth).astype(np.uint8), quality=10)
    decoded, tables = js.io.read_picture(path).pixels / np.float32(255), js.jpeg.jpeg_tables(path)

fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
answers = {
    "JPEG file": decoded,
    "tv": js.restore(decoded, tables, prior="tv").image,
    "dejpeg": js.smooth(decoded, "dejpeg", tables=tables),
}
for ax, (title, image) in zip(axes, answers.items(), strict=True):
    show(ax, torch.from_numpy(image).movedim(-1, 0)[None], f"{title}: {js.metrics.psnr(image, truth):.1f} dB")
