"""
A deep image prior with the l0 gradient
=======================================

ADMM for the l0 gradient, in which a network is fitted to one image without training data. It starts from
region fusion. The image is small; a photograph takes about half a minute.
"""

import matplotlib.pyplot as plt

import jumpset as js

image, truth = js.datasets.textured(72, 96, seed=4)

film = js.running.Snapshots(every=80)
method = js.method("dip-l0", outer_steps=80)
result = js.run(image, method, callback=film, check_every=80)
print(f"{result.status.name}: {result.n_steps} steps in {result.elapsed:.1f} s")

panels = {"input": image, "truth": truth}
panels |= {f"after {n} steps": panel for n, panel in zip(film.steps[:2], film.images, strict=False)}
panels |= {"dip-l0": result.image, "region-fusion": js.smooth(image)}

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(panel.clip(0, 1))
    ax.set_title(f"{title}, {js.metrics.psnr(panel, truth):.2f} dB" if panel is not truth else title)
    ax.set_axis_off()
