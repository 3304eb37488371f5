"""
Penalties in training
=====================

A small network learns to remove noise without ever seeing a clean image; a penalty empties the background.
Three penalties are compared: L1, sparse total variation and concave sliding groups.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import jumpset as js

truth = torch.from_numpy(np.stack([js.datasets.marks(48, 48, seed=k) for k in range(48)]))[:, None]
generator = torch.Generator().manual_seed(0)
noisy = truth + 0.1 * torch.randn(truth.shape, generator=generator)  # (B, C, H, W)


# %%
# The network adds a correction to its input and ends in a ReLU, so that its zeros are exact. The weight
# grows during the first steps: the full weight at once could empty the output.
class Net(nn.Module):
    """Three convolutions and a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 12, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 1, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the non-negative output."""
        return (x + self.layers(x)).relu()


def trained(penalty: js.Penalty, weight: float) -> torch.Tensor:
    """Train on the first forty images and return the outputs of the other eight."""
    torch.manual_seed(0)
    net = Net()
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    criterion = js.PenaltyLoss(penalty, weight, schedule=lambda step: min(1.0, step / 50))
    for step in range(150):
        batch = noisy[(8 * step) % 40 :][:8]
        output = net(batch)
        loss = (output - batch).square().mean() + criterion(output)
        adam.zero_grad()
        loss.backward()
        adam.step()
        criterion.step()
    with torch.no_grad():
        return net(noisy[40:])


# %%
# The weights give similar shares of zeros; compare the errors and the numbers of isolated pixels.
runs = {
    "L1": (js.L1(), 0.3),
    "SparseTV": (js.SparseTV(ratio=0.25), 0.3),
    "SlidingGroups, log": (js.SlidingGroups(3, phi="log", scale=0.2), 0.35),
}
panels = {"noisy": noisy[40, 0], "truth": truth[40, 0]}
for name, (penalty, weight) in runs.items():
    outputs = trained(penalty, weight)
    found = [js.metrics.contiguity(one[0].numpy(), tol=0.0) for one in outputs]
    isolated = sum(int((one.component_sizes == 1).sum()) for one in found)
    zeros = np.mean([one.zero_fraction for one in found])
    psnr = js.metrics.psnr(outputs.numpy(), truth[40:].numpy())
    print(f"{name:20s}PSNR {psnr:.2f} dB, {zeros:.0%} zeros, {isolated} isolated pixels")
    panels[name] = outputs[0, 0]

# %%
# Zeros are blue.
fig, axes = plt.subplots(1, 5, figsize=(14, 3.2), layout="constrained")
for ax, (title, panel) in zip(axes, panels.items(), strict=True):
    shown = np.repeat(panel.numpy().clip(0, 1)[..., None], 3, axis=-1)
    shown[panel.numpy() == 0] = (0.1, 0.2, 0.55)
    ax.imshow(shown)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# :doc:`/which_penalty` has the comparison of twenty penalties at exactly equal error, and
# :class:`jumpset.nn.ZeroFractionController` finds the weight during the training.
