"""
Every weight at once
====================

Region fusion asks for a weight. A tree of merges holds the segmentations of *all* weights, and of
any number of regions: built once, cut in milliseconds.
"""

import time

import matplotlib.pyplot as plt

import jumpset as js

picture = js.datasets.coffee()[90:330, 170:490]
began = time.perf_counter()
tree = js.RegionTree(picture)
built = time.perf_counter()
print(tree)

# %%
# Partitions nest: going from 200 regions to 20 only merges.
panels = {f"{n} regions": tree.smooth(n_regions=n) for n in (2000, 200, 50, 20)}
print(f"built in {built - began:.2f} s, cut four times in {time.perf_counter() - built:.3f} s")

fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# ``labels`` are what ``skimage.measure.regionprops`` takes; ``energies`` tells which weight gives how
# many regions.
labels = tree.labels(n_regions=50)
print("labels", labels.shape, labels.dtype, "from", labels.min(), "to", labels.max())

energies = tree.energies()
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.loglog(energies.weights[1:], energies.n_regions[1:])
ax.set_xlabel("weight")
ax.set_ylabel("regions")
