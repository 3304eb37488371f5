"""
A new penalty in twenty lines
=============================

A penalty is one formula, ``terms``: the map whose sum is R(x). Loss, normalisation, masks, sums and
multiples follow from it. The example removes vertical stripes with a penalty on the differences along
one axis.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import torch

import jumpset as js
from jumpset.operators.differences import forward


@dataclass(frozen=True)
class AcrossColumns(js.Penalty):
    r"""Differences of neighbouring columns; differences of rows cost nothing.

    .. math:: R(x) = \sum_{c, p} |x_{c, p + e} - x_{c, p}|

    where p + e is the pixel at the right of p, and a difference across the border is zero.

    Notes
    -----
    An example, 2026.
    """

    name: ClassVar[str] = "across-columns"
    paper: ClassVar[str] = "an example, 2026"

    def terms(self, x: Any, mask: Any = None) -> Any:
        """The absolute difference of each pixel and its right neighbour."""
        return abs(forward(x, -1, mask))


# %%
# Each column of the image has an offset. The stripe field s should be nearly constant along each column,
# and image − s flat in regions: the loss is the total variation of image − s plus the new penalty of
# the transposed s.
truth = torch.from_numpy(js.datasets.shapes(96, 128, channels=1, seed=5))[None, None]
offsets = torch.from_numpy(0.08 * np.random.default_rng(0).standard_normal((1, 1, 1, 128)).astype(np.float32))
striped = truth + offsets

stripes = torch.zeros_like(striped, requires_grad=True)
adam = torch.optim.Adam([stripes], lr=0.01)
along_columns = AcrossColumns()
for step in range(400):
    adam.param_groups[0]["lr"] = 0.01 * (1 - step / 400)
    adam.zero_grad()
    loss = (
        js.TotalVariation(isotropic=False)(striped - stripes)
        + 3 * along_columns(stripes.mT)
        + 0.01 * js.L1()(stripes)
    )
    loss.backward()
    adam.step()
cleaned = (striped - stripes).detach()
for name, panel in {"striped": striped, "cleaned": cleaned}.items():
    print(f"{name}: {js.metrics.psnr(panel[0, 0].numpy(), truth[0, 0].numpy()):.1f} dB")

fig, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
for ax, (title, panel) in zip(
    axes, {"striped": striped, "cleaned": cleaned, "truth": truth}.items(), strict=True
):
    ax.imshow(panel[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# The penalty can be added to others and scaled, takes a mask, and works with any array library, without
# another line of code.
both = 0.5 * along_columns + js.L1()
print(both, "on a batch:", both.value(torch.ones(2, 1, 4, 4)).tolist())
print("on NumPy:", along_columns.value(np.eye(4, dtype=np.float32)[None, None]))
