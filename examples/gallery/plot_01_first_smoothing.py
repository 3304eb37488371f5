"""
A first smoothing
=================

Smooth a photograph with one call, and see what the weight does.
"""

import matplotlib.pyplot as plt

import jumpset as js

image = js.datasets.coffee()[90:330, 170:490]  # (H, W, 3), uint8

# %%
# ``smooth`` takes an image and returns one of the same kind, shape and dtype. Larger weights are
# smoother; they refer to intensities in [0, 1] for every dtype.
panels = {"input": image}
for weight in (0.005, 0.02, 0.1):
    panels[f"weight={weight}"] = js.smooth(image, method="region-fusion", weight=weight)

fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(panel)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# ``run`` also returns how the run ended, how long it took, and the history of the objective. Total
# variation is convex; the duality gap bounds the distance of the energy from its minimum.
result = js.run(image, js.method("tv", weight=0.1))
print(result.status.name, "-", result.status.value)
print(f"{result.n_steps} steps, {result.elapsed:.2f} s")

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.semilogy(result.history["step"], result.history["gap"])
ax.set_xlabel("step")
ax.set_ylabel("relative duality gap")

# %%
# ``js.methods()`` lists every method by name, with its paper, its parameters and their defaults.
for info in list(js.methods().values())[:5]:
    print(f"{info.name:15s}{info.summary}")
