"""The partition layer: region means of a cut of the tree, and their derivatives."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

import jumpset as js
from jumpset.nn import PartitionLayer
from jumpset.nn.partition import region_means


def images(batch: int = 3, channels: int = 1, height: int = 9, width: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    v = 0.1 * torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)
    v[:, :, 2:, 3:] += 1.0
    return v


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("cut", [{"weight": 0.05}, {"n_regions": 5}, {"n_regions": 1}, {"weight": 0.0}])
def test_same_as_the_tree_and_gradient(channels, neighbors, cut):
    v = images(channels=channels)
    layer = PartitionLayer(**cut, neighbors=neighbors)
    u = layer(v)
    for image, one, labels in zip(v, u, layer.labels(v), strict=True):
        tree = js.RegionTree(image.permute(1, 2, 0).numpy(), neighbors=neighbors)
        np.testing.assert_array_equal(labels.numpy() + 1, tree.labels(**cut))
        np.testing.assert_allclose(one.permute(1, 2, 0).numpy(), tree.smooth(**cut), atol=1e-12)
    assert torch.autograd.gradcheck(layer, (v[:1, :, :4, :5].clone().requires_grad_(),))


def test_lines_dtypes_and_sizes():
    line = torch.tensor([[[0.0, 0.2, 1.0, 1.2]]])
    torch.testing.assert_close(PartitionLayer(n_regions=2)(line), torch.tensor([[[0.1, 0.1, 1.1, 1.1]]]))
    v = images()
    expected = PartitionLayer(weight=0.1)(v)
    for dtype, tol in ((torch.float32, 1e-6), (torch.bfloat16, 1e-2), (torch.float16, 2e-3)):
        u = PartitionLayer(weight=0.1)(v.to(dtype))
        assert u.dtype == dtype
        torch.testing.assert_close(u.double(), expected, rtol=0, atol=tol)
    for shape in ((1, 1, 1, 1), (2, 3, 1, 6), (1, 2, 5, 1), (0, 1, 4, 4)):
        assert PartitionLayer(n_regions=50)(torch.rand(shape)).shape == shape
    v[1, 0, 0, 0] = torch.nan
    u = PartitionLayer(weight=0.1)(v)
    assert bool(u[1].isnan().all())
    torch.testing.assert_close(u[::2], expected[::2])


def test_means_of_given_regions():
    labels = torch.tensor([[[0, 0, 1], [2, 1, 1]]])
    v = torch.arange(12.0).reshape(1, 2, 2, 3)
    expected = torch.tensor(
        [[[[0.5, 0.5, 11 / 3], [3, 11 / 3, 11 / 3]], [[6.5, 6.5, 29 / 3], [9, 29 / 3, 29 / 3]]]]
    )
    torch.testing.assert_close(region_means(v, labels), expected)


def test_boundaries_move_with_a_perturbation():
    """The derivative of the mean over noise, against differences of its simulation for a line of three pixels."""
    sigma, h = 0.3, 0.02
    rng = np.random.default_rng(0)
    z = sigma * rng.standard_normal((1_000_000, 3))

    def middle(v: np.ndarray) -> float:
        """The mean of pixel 1: the smaller of the two differences disappears."""
        left, right = np.abs(np.diff(v + z)).T
        return float(np.where(left < right, (v[0] + v[1]) / 2, (v[1] + v[2]) / 2).mean())

    v = np.array([0.0, 0.45, 1.0])
    expected = [(middle(v + h * e) - middle(v - h * e)) / (2 * h) for e in np.eye(3)]
    layer = PartitionLayer(n_regions=2, perturbation=sigma, samples=3000)
    moving = torch.from_numpy(v)[None, None].requires_grad_()
    torch.manual_seed(0)
    u = layer(moving)
    assert float(u[0, 0, 1].detach()) == pytest.approx(middle(v), abs=0.02)
    (slope,) = torch.autograd.grad(u[0, 0, 1], moving)
    np.testing.assert_allclose(slope[0, 0].numpy(), expected, atol=0.05)
    without = PartitionLayer(n_regions=2)
    (fixed,) = torch.autograd.grad(without(moving)[0, 0, 1], moving)
    assert float((slope - fixed).abs().max()) > 0.2  # the boundary contributes
    torch.testing.assert_close(layer.eval()(moving), without(moving))


def test_network_learns_through_it():
    torch.manual_seed(0)
    truth = (images() > 0.5).float()
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), PartitionLayer(n_regions=2))
    x = images().float()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = (net(x) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    assert net.state_dict().keys() == {"0.weight", "0.bias"}
    torch.testing.assert_close(copy.deepcopy(net)(x), net(x))
    assert all(len(one.unique()) == 2 for one in net(x))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"weight": 1.0, "n_regions": 2},
        {"weight": -1.0},
        {"n_regions": 0},
        {"weight": 1.0, "neighbors": 6},
        {"weight": 1.0, "perturbation": -0.1},
        {"weight": 1.0, "samples": 1},
    ],
)
def test_mistakes_are_said(arguments):
    with pytest.raises(js.InputError):
        PartitionLayer(**arguments)


def test_volumes_are_refused():
    with pytest.raises(js.InputError, match="two axes"):
        PartitionLayer(weight=0.1)(torch.rand(1, 1, 3, 4, 5))
