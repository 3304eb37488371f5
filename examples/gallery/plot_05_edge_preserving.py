"""
Edge-preserving smoothing compared
==================================

Eight methods on one photograph with noise, and a cut through strong edges and a slope.
"""

import matplotlib.pyplot as plt

import jumpset as js

clean = js.datasets.coffee()[90:250, 250:490]
picture = js.datasets.add_noise(clean, 10 / 255, seed=0)
methods = {
    "bilateral": {},
    "guided": {},
    "domain-transform": {},
    "wls": {},
    "fgs": {},
    "gsf": {},
    "tv": {"weight": 0.1},
    "region-fusion": {"weight": 0.02},
}
panels = {"picture": picture}
for name, settings in methods.items():
    result = js.run(js.method(name, **settings), picture)
    panels[name] = result.image
    print(f"{name:18s}{result.elapsed:6.2f} s")

fig, axes = plt.subplots(3, 3, figsize=(11, 8), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# A part of row 60, red. All keep the strong edges. What was a slope stays one with ``guided`` and
# ``wls``, and becomes steps with region fusion.
fig, ax = plt.subplots(figsize=(10, 3.8), layout="constrained")
columns = slice(80, 220)
ax.plot(picture[60, columns, 0], color="0.75", label="picture")
for name in ("guided", "wls", "tv", "region-fusion"):
    ax.plot(panels[name][60, columns, 0], label=name, linewidth=1.2)
ax.legend()
ax.set_xlabel("column")
ax.set_ylabel("red, 0 to 255")

# %%
# The difference of a picture and its smooth version is detail; multiplied, it is stronger without
# halos.
base = js.smooth(clean / 255, "gsf", preset="detail")
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for ax, image, title in zip(
    axes, (clean / 255, base + 2.5 * (clean / 255 - base)), ("picture", "detail × 2.5"), strict=True
):
    ax.imshow(image.clip(0, 1))
    ax.set_title(title)
    ax.set_axis_off()
