"""
Automatic choice of the weight
==============================

``auto_weight`` chooses the weight from the noise level, from an estimate of the error, or from a number
of regions.
"""

import matplotlib.pyplot as plt
import numpy as np

import jumpset as js

clean = js.datasets.coffee()[90:210, 250:410] / np.float32(255)
image = js.datasets.add_noise(clean, 0.1, seed=0)
print(f"noise: 0.100, estimated {js.weights.estimate_noise(image):.3f}")

# %%
# ``"discrepancy"`` finds the weight at which the residual has the variance of the noise; ``"sure"``
# minimises an estimate of the error that does not need the clean image.
found = {
    rule: js.auto_weight(image, "tv", rule, sigma=0.1, bounds=(1e-3, 1.0), n_trials=10)
    for rule in ("discrepancy", "sure")
}
for rule, answer in found.items():
    print(f"{rule:12s}weight {answer.weight:.4f}, {js.metrics.psnr(answer.image, clean):.2f} dB")

# %%
# Stein's estimate beside the true error, which is known only because the clean image is.
weights = [w for w, _ in found["sure"].curve]
true = [np.mean((js.smooth(image, "tv", weight=w) - clean) ** 2) for w in weights]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.loglog(weights, [value for _, value in found["sure"].curve], "o-", label="estimated")
ax.loglog(weights, true, "x--", label="true")
ax.axvline(found["sure"].weight, color="0.6")
ax.set_xlabel("weight")
ax.set_ylabel("mean squared error")
ax.legend()

# %%
# The weight can also follow from a number of regions: here at most 100.
flat = js.auto_weight(clean, "region-fusion", "regions", regions=100)
print(f"weight {flat.weight:.3f}")
panels = {"noisy": image, "discrepancy": found["discrepancy"].image, "sure": found["sure"].image}
panels["clean, 100 regions"] = flat.image
fig, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(panel.clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()
