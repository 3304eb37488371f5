"""
Zeros in regions, not in scattered pixels
=========================================

L1 adds up pixels one by one, so its zeros are scattered. This program applies three proximal operators
to one noisy image, each with the weight at which as many pixels become exactly zero as in the truth.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import jumpset as js

truth = js.datasets.marks(64, 64, seed=3)
noisy = js.datasets.add_noise(truth, 0.15, seed=0)
f = torch.from_numpy(noisy)[None, None]  # (B, C, H, W)

# %%
# ``weight_for_zero_fraction`` finds each weight; ``contiguity`` counts the isolated pixels of the
# support.
penalties = {
    "L1": js.L1(),
    "TV + L1 (SparseTV)": js.SparseTV(ratio=0.25),
    "sliding groups": js.SlidingGroups(window=5),
}
share = float((truth == 0).mean())
panels = {"truth": truth, "noisy": noisy}
for name, penalty in penalties.items():
    tau = js.weights.weight_for_zero_fraction(f, penalty, share)
    u = penalty.prox(f, tau)[0, 0].numpy()
    support = js.metrics.contiguity(u)
    print(
        f"{name:20s}tau {tau:6.3f}   {support.zero_fraction:.2f} zeros, "
        f"{support.isolated_fraction:6.1%} of the support isolated, PSNR {js.metrics.psnr(u, truth):.1f} dB"
    )
    panels[name] = u

# %%
# Zeros are blue.
fig, axes = plt.subplots(1, 5, figsize=(14, 3.2), layout="constrained")
for ax, (title, panel) in zip(axes, panels.items(), strict=True):
    shown = np.repeat(panel.clip(0, 1)[..., None], 3, axis=-1)
    shown[panel == 0] = (0.1, 0.2, 0.55)
    ax.imshow(shown)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# With the last two the zeros are whole regions. One such step reduces the contrast; a network learns
# to compensate for that. In a network the same penalties are losses, and the proximal operator can be
# the last layer, so that zeros are exact: ``js.Prox(js.SparseTV(), tau=0.05)``.
# :doc:`/which_penalty` compares them in a trained autoencoder.
loss = js.SparseTV(ratio=0.25)(f.requires_grad_())
loss.backward()
print(f"loss {float(loss.detach()):.4f}, finite gradients: {bool(torch.isfinite(f.grad).all())}")
