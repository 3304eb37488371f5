"""
Total variation in every variant
================================

The effect of isotropy, channel coupling, order and exponent on one noisy image, shown by exact
minimisers of ½‖u − f‖² + τ R(u).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import jumpset as js

# A flat rectangle on a linear slope.
height, width = 48, 64
slope = np.linspace(0.2, 0.8, width, dtype=np.float32)[None, :, None]
truth = np.tile(slope * np.float32([1.0, 0.8, 0.6]), (height, 1, 1))
truth[12:36, 35:54] = (0.2, 0.4, 0.7)
noisy = js.datasets.add_noise(truth, 0.08, seed=0)
f = torch.from_numpy(noisy).permute(2, 0, 1)[None]

# %%
# Each penalty uses the τ, out of two, with the higher PSNR.
penalties = {
    "isotropic, separate channels": js.TotalVariation(channels="separate"),
    "isotropic, joint channels": js.TotalVariation(),
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
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(panel.clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()

# %%
# One row of the image. First-order variants turn the slope into a staircase; TGV, which is of second
# order, keeps it.
fig, ax = plt.subplots(figsize=(9, 3.5), layout="constrained")
row = height // 2
for title in ("truth", *[t for t in panels if t.startswith(("isotropic, joint channels", "TGV"))]):
    ax.plot(panels[title][row, :, 1], label=title, linewidth=2.5 if title == "truth" else 1.2)
ax.legend()
ax.set_xlabel("column")
ax.set_ylabel("green")
