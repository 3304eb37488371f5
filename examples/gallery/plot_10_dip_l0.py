"""
A deep image prior with the l0 gradient
=======================================

ADMM for the l0 gradient, in which a network is fitted to one image without training data. It starts from
region fusion. With ``start_blend=0.4`` the answer contains 40 % of the start, which is better at this number
of steps; by default it is that of the network alone. The image is small; a photograph takes about a minute.
"""

import matplotlib.pyplot as plt

import jumpset as js

image, truth = js.datasets.textured(72, 96, seed=4)

film = js.running.Snapshots(every=120)
method = js.method("dip-l0", start_blend=0.4)
result = js.run(image, method, callback=film, check_every=120)
print(f"{result.status.name}: {result.n_steps} steps in {result.elapsed:.1f} s")

panels = {"input": image, "truth": truth}
panels |= {f"after {n} steps": panel for n, panel in zip(film.steps[:2], film.images, strict=False)}
panels |= {"dip-l0": result.image, "region-fusion": js.smooth(image)}

fig, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    ax.imshow(panel.clip(0, 1))
    ax.set_title(f"{title}, {js.metrics.psnr(panel, truth):.2f} dB" if panel is not truth else title)
    ax.set_axis_off()
