"""
Total variation in every variant
================================

What isotropy, the coupling of the channels, the order and the exponent do to one noisy picture:
exact minimisers of ½‖u − f‖² + τ R(u).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import jumpset as js

# A flat rectangle on a slope of light: what is flat in regions, and what is not.
height, width = 48, 64
slope = np.linspace(0.2, 0.8, width, dtype=np.float32)[None, :, None]
truth = np.tile(slope * np.float32([1.0, 0.8, 0.6]), (height, 1, 1))
truth[12:36, 35:54] = (0.2, 0.4, 0.7)
noisy = js.datasets.add_noise(truth, 0.08, seed=0)
f = torch.from_numpy(noisy).permute(2, 0, 1)[None]

# %%
# Each with the τ, out of a few, that brings it nearest to the truth.
penalties = {
    "isotropic, channels apart": js.TotalVariation(),
    "isotropic, channels joint": js.TotalVariation(channels="joint"),
    "anisotropic": js.TotalVariation(isotropic=False),
    "vectorial, nuclear norm": js.penalties.VectorialTV(coupling="nuclear"),
    "Huber": js.penalties.HuberTV(delta=0.02),
    "AITV (ℓ1 − ½ ℓ2)": js.penalties.AITV(alpha=0.5),
    "TGV, second order": js.penalties.TGV2(),
}
panels = {"truth": truth, f"noisy, {js.metrics.psnr(noisy, truth):.1f} dB": noisy}
for name, penalty in penalties.items():
    answers = [penalty.prox(f, tau)[0].permute(1, 2, 0).numpy() for tau in (0.07, 0.12)]
    best = max(answers, key=lambda u: js.metrics.psnr(u, truth))
    panels[f"{name}, {js.metrics.psnr(best, truth):.1f} dB"] = best

fig, axes = plt.subplots(3, 3, figsize=(11, 9), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image.clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()

# %%
# One row of the picture. First-order variants turn the slope into stairs; TGV, of second order,
# leaves it a slope.
fig, ax = plt.subplots(figsize=(9, 3.5), layout="constrained")
row = height // 2
for title in ("truth", *[t for t in panels if t.startswith(("isotropic, channels joint", "TGV"))]):
    ax.plot(panels[title][row, :, 1], label=title, linewidth=2.5 if title == "truth" else 1.2)
ax.legend()
ax.set_xlabel("column")
ax.set_ylabel("green")
