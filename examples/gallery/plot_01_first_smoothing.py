"""
A first smoothing
=================

One photograph, one call, and the one number that matters: the weight.
"""

import matplotlib.pyplot as plt

import jumpset as js

picture = js.datasets.coffee()[90:330, 170:490]  # (H, W, 3), uint8

# %%
# ``smooth`` takes a picture and returns one of the same kind, shape and dtype. Larger weights are
# smoother; the weights are for intensities in [0, 1], whatever the dtype.
panels = {"picture": picture}
for weight in (0.005, 0.02, 0.1):
    panels[f"weight={weight}"] = js.smooth(picture, method="region-fusion", weight=weight)

fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# ``run`` tells more: how the run ended, how long it took, and the course of the objective. Total
# variation is convex; its duality gap bounds how far the energy can be from the least one.
result = js.run(js.method("tv", weight=0.1), picture)
print(result.status.name, "-", result.status.value)
print(f"{result.n_steps} steps, {result.elapsed:.2f} s")

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.semilogy(result.history["step"], result.history["gap"])
ax.set_xlabel("step")
ax.set_ylabel("relative duality gap")

# %%
# Every method has a name; ``js.methods()`` tells its paper, its parameters and their defaults.
for info in list(js.methods().values())[:5]:
    print(f"{info.name:15s}{info.summary}")
