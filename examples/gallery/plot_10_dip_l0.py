"""
A deep image prior with the l0 gradient
=======================================

A network that is fitted to one picture, without training data, inside ADMM for the l0 gradient.
Here it draws the picture itself, from region fusion on; without ``start="region-fusion"`` it would
correct the answer of ``structure-texture``. A small crop; a photograph takes about half a minute.
"""

import matplotlib.pyplot as plt

import jumpset as js

picture, truth = js.datasets.textured(72, 96, seed=4)

film = js.running.Snapshots(every=80)
method = js.method("dip-l0", start="region-fusion", outer_steps=80)
result = js.run(method, picture, callback=film, check_every=80)
print(f"{result.status.name}: {result.n_steps} steps in {result.elapsed:.1f} s")

panels = {"picture": picture, "truth": truth}
panels |= {f"after {n} steps": image for n, image in zip(film.steps[:2], film.images, strict=False)}
panels |= {"dip-l0": result.image, "region-fusion": js.smooth(picture)}

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, image) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(image.clip(0, 1))
    ax.set_title(f"{title}, {js.metrics.psnr(image, truth):.2f} dB" if image is not truth else title)
    ax.set_axis_off()
