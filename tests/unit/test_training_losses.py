"""The losses of the networks, against plain sums over pixels and against other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from jumpset.training import losses


def images(*shape, seed=0, n=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(n)]


def test_l1_against_a_plain_sum():
    u, t = images(2, 3, 5, 4)
    error = (u - t).numpy()
    down = np.abs(np.diff(error, axis=2)).mean()
    across = np.abs(np.diff(error, axis=3)).mean()
    assert float(losses.l1(u, t)) == pytest.approx(np.abs(error).mean())
    assert float(losses.l1(u, t, neighbours=0.7)) == pytest.approx(
        np.abs(error).mean() + 0.7 * (down + across)
    )


def test_l1_of_several_weighted_truths():
    u, a, b = images(2, 3, 5, 4, n=3)
    truths = torch.stack([a, b], dim=1)
    shares = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    one = [[float(losses.l1(u[k : k + 1], t[k : k + 1], neighbours=1.0)) for t in (a, b)] for k in (0, 1)]
    expected = (0.25 * one[0][0] + 0.75 * one[0][1] + one[1][0]) / 2
    assert float(losses.l1(u, truths, neighbours=1.0, shares=shares)) == pytest.approx(expected)
    both = float(losses.l1(u, truths, neighbours=1.0))
    assert both == pytest.approx(np.mean(one))


def test_charbonnier_against_l1_and_a_plain_sum():
    u, t = images(1, 3, 6, 5)
    assert float(losses.charbonnier(t, t, neighbours=1.0)) == pytest.approx(0, abs=1e-12)
    assert float(losses.charbonnier(u, t, epsilon=1e-9)) == pytest.approx(float(losses.l1(u, t)))
    error = (u - t).numpy()
    plain = sum(
        np.sqrt(e**2 + 0.01**2).mean() - 0.01 for e in (error, np.diff(error, axis=2), np.diff(error, axis=3))
    )
    assert float(losses.charbonnier(u, t, neighbours=1.0, epsilon=0.01)) == pytest.approx(plain)


def test_structural_similarity_against_scikit_image():
    skimage = pytest.importorskip("skimage.metrics")
    u, t = images(1, 2, 40, 40)
    t[..., :, :] = 0.7 * u + 0.3 * t
    u[..., :10, :] = u[..., -10:, :] = u[..., :10] = u[..., -10:] = 0  # so that zero padding has no effect
    t[..., :10, :] = t[..., -10:, :] = t[..., :10] = t[..., -10:] = 0
    _, full = skimage.structural_similarity(
        u[0].numpy(), t[0].numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    assert float(losses.structural_similarity(u, t)) == pytest.approx(full.mean(), abs=1e-9)


def test_multiscale_similarity_is_a_sum_over_scales():
    u, t = images(2, 3, 32, 48)
    assert float(losses.multiscale_similarity(t, t)) == pytest.approx(4)
    expected = 0.0
    a, b = u, t
    for _ in range(4):
        expected += float(losses.structural_similarity(a, b))
        a, b = (x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5)) for x in (a, b))
    assert float(losses.multiscale_similarity(u, t)) == pytest.approx(expected)
    assert math.isfinite(float(losses.multiscale_similarity(u[..., :1, :3], t[..., :1, :3])))


def test_edge_map_marks_the_pixel_before_a_jump():
    truth = torch.zeros(1, 3, 4, 5)
    truth[:, 1, :, 3:] = 0.5
    truth[:, 0, 2:] = 3 / 255  # below the threshold
    expected = torch.zeros(1, 1, 4, 5)
    expected[..., 2] = 1
    assert torch.equal(losses.edge_map(truth), expected)


def test_balanced_cross_entropy_against_a_plain_sum():
    edges = (torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(1)) < 0.2).double()
    (logits,) = images(2, 1, 6, 7, n=1)
    p, e = torch.sigmoid(logits).numpy(), edges.numpy()
    share = e.mean()
    plain = -np.mean((1 - share) * e * np.log(p) + share * (1 - e) * np.log(1 - p))
    assert float(losses.balanced_cross_entropy(logits, edges)) == pytest.approx(plain)


def test_joint_edges_is_0_at_the_truth_and_additive():
    u, t = images(1, 3, 32, 32)
    edges = losses.edge_map(t)
    sure = 40 * (2 * edges - 1)
    assert float(losses.joint_edges(sure, t, t, t)) == pytest.approx(0, abs=1e-6)
    of_one = float(losses.l1(u, t)) + 0.1 * (4 - float(losses.multiscale_similarity(u, t)))
    assert float(losses.joint_edges(sure, u, t, t)) == pytest.approx(of_one)
    assert float(losses.joint_edges(sure, u, u, t)) == pytest.approx(2 * of_one)


def test_joint_edges_weight():
    (t,) = images(1, 3, 32, 32, n=1)
    guess = torch.zeros_like(t[:, :1])
    of_edges = float(losses.balanced_cross_entropy(guess, losses.edge_map(t)))
    assert float(losses.joint_edges(guess, t, t, t)) == pytest.approx(0.001 * 2 * 128**2 * of_edges)
    assert float(losses.joint_edges(guess, t, t, t, edge_weight=2.0)) == pytest.approx(2 * of_edges)


def test_wls_energy_against_a_plain_sum():
    u, f = (0.1 * x for x in images(2, 3, 5, 4))
    energy = 0.0
    a, b = u.numpy(), f.numpy()
    energy += np.mean((a - b) ** 2)
    terms = []
    for n in range(2):
        for y in range(4):
            for x in range(4):
                w = 10 * np.exp(-np.sum((b[n, :, y + 1, x] - b[n, :, y, x]) ** 2) / (2 * 0.08**2))
                terms.append(np.mean(w * (a[n, :, y + 1, x] - a[n, :, y, x]) ** 2))
    energy += np.mean(terms)
    terms = []
    for n in range(2):
        for y in range(5):
            for x in range(3):
                w = 10 * np.exp(-np.sum((b[n, :, y, x + 1] - b[n, :, y, x]) ** 2) / (2 * 0.08**2))
                terms.append(np.mean(w * (a[n, :, y, x + 1] - a[n, :, y, x]) ** 2))
    energy += np.mean(terms)
    assert float(losses.wls_energy(u, f)) == pytest.approx(energy)


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 3, 1, 5), (1, 3, 5, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("kind", ["l1", "charbonnier", "wls", "joint"])
def test_gradients_are_finite(kind, shape):
    u, t = images(*shape)
    t = torch.zeros_like(t)
    for start in (u, torch.zeros_like(u)):
        x = start.clone().requires_grad_()
        loss = {
            "l1": lambda x: losses.l1(x, t, neighbours=1.0),
            "charbonnier": lambda x: losses.charbonnier(x, t, neighbours=0.5),
            "wls": lambda x: losses.wls_energy(x, t),
            "joint": lambda x: losses.joint_edges(x[:, :1], x, x, t),
        }[kind](x)
        loss.backward()
        assert torch.isfinite(x.grad).all()


def test_wls_gradient():
    u, f = images(1, 2, 4, 3)
    assert torch.autograd.gradcheck(lambda x: losses.wls_energy(x, 0.2 * f), u.requires_grad_())
