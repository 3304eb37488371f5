"""The adapters, against the libraries where they are installed, else against a stand-in of the same interface."""

import re
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import jumpset as js


def test_torchmetrics_metric():
    pytest.importorskip("torchmetrics")
    from jumpset.interop.torchmetrics import Contiguity

    images = torch.zeros(2, 1, 6, 6)
    images[0, 0, 1:4, 1:4] = 1  # one block
    images[1, 0, ::3, ::3] = 1  # four scattered pixels
    metric = Contiguity()
    metric.update(images[:1])
    metric.update(images[1:])
    out = {k: v.item() for k, v in metric.compute().items()}
    each = [js.metrics.contiguity(x) for x in images[:, 0].numpy()]
    for name in Contiguity.names:
        assert out[name] == pytest.approx(np.mean([getattr(e, name) for e in each]), rel=1e-6)
    assert out["isolated_fraction"] == 0.5
    metric.reset()
    metric.update(torch.zeros(1, 1, 2, 2))
    assert metric.compute()["zero_fraction"] == 1


def test_deepinv_prior(monkeypatch):
    try:
        import deepinv  # noqa: F401
    except ImportError:  # it brings torchvision along: its base class is all that is needed
        optim = types.ModuleType("deepinv.optim")
        optim.Prior = torch.nn.Module
        monkeypatch.setitem(sys.modules, "deepinv", types.ModuleType("deepinv"))
        monkeypatch.setitem(sys.modules, "deepinv.optim", optim)
        monkeypatch.delitem(sys.modules, "jumpset.interop.deepinv", raising=False)
    from jumpset.interop.deepinv import PenaltyPrior

    prior, x = PenaltyPrior(js.L1()), torch.tensor([[[[-0.5, 0.05, 0.3]]]])
    torch.testing.assert_close(prior.fn(x), torch.tensor([0.85]))
    torch.testing.assert_close(prior.grad(x), torch.tensor([[[[-1.0, 1.0, 1.0]]]]))
    torch.testing.assert_close(prior.prox(x, gamma=0.1), torch.tensor([[[[-0.4, 0.0, 0.2]]]]))


def test_deepinv_prior_has_the_prox_of_the_penalty(monkeypatch):
    """One tau an image, and solved proxes, as deepinv's algorithms hand them over."""
    try:
        import deepinv  # noqa: F401
    except ImportError:
        optim = types.ModuleType("deepinv.optim")
        optim.Prior = torch.nn.Module
        monkeypatch.setitem(sys.modules, "deepinv", types.ModuleType("deepinv"))
        monkeypatch.setitem(sys.modules, "deepinv.optim", optim)
        monkeypatch.delitem(sys.modules, "jumpset.interop.deepinv", raising=False)
    from jumpset.interop.deepinv import PenaltyPrior

    x = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    gamma = torch.tensor([0.05, 0.2])
    for penalty in (js.TotalVariation(), js.SlidingGroups(3)):
        torch.testing.assert_close(PenaltyPrior(penalty).prox(x, gamma=gamma), penalty.prox(x, gamma))


@pytest.mark.parametrize("shape", [(7, 9), (3, 7, 9)])
def test_pyproximal_operator(shape):
    pyproximal = pytest.importorskip("pyproximal")
    pylops = pytest.importorskip("pylops")
    from jumpset.interop.pyproximal import PenaltyProx

    rng = np.random.default_rng(0)
    channels = 3 if len(shape) == 3 else 1
    x = rng.random(shape).ravel() - 0.5
    ours, theirs = PenaltyProx(js.L1(), shape[-2:], factor=0.7, channels=channels), pyproximal.L1(sigma=0.7)
    assert ours(x) == pytest.approx(theirs(x))
    np.testing.assert_allclose(ours.prox(x, 0.3), theirs.prox(x, 0.3), atol=1e-12)
    # Moreau's decomposition, which their base class makes of our prox
    np.testing.assert_allclose(ours.proxdual(x, 0.3), theirs.proxdual(x, 0.3), atol=1e-12)
    groups = PenaltyProx(js.penalties.TiledGroups(3), shape[-2:], channels=channels)
    answer = pyproximal.optimization.primal.ProximalGradient(
        pyproximal.L2(Op=pylops.Identity(x.size), b=x), groups, x0=np.zeros_like(x), tau=0.5, niter=100
    )
    np.testing.assert_allclose(answer, groups.prox(x, 1.0), atol=1e-8)
    with pytest.raises(ValueError, match="positive"):
        ours.prox(x, 0.0)
    with pytest.raises(js.InputError, match="vector"):
        ours(x[:-1])
    for wrong in ({"dims": ()}, {"dims": (7, 9), "factor": 0.0}):
        with pytest.raises(js.InputError):
            PenaltyProx(js.L1(), **wrong)


def test_pyproximal_bounds():
    pytest.importorskip("pyproximal")
    from jumpset.interop.pyproximal import PenaltyProx

    x = np.random.default_rng(1).random((6, 7)).ravel() - 0.5
    bounded = PenaltyProx(js.TotalVariation(), (6, 7), lower=0.0, upper=0.3)
    u = bounded.prox(x, 0.05)
    expected = js.TotalVariation().prox(torch.from_numpy(x.reshape(1, 1, 6, 7)), 0.05, lower=0.0, upper=0.3)
    np.testing.assert_array_equal(u, expected.numpy().ravel())
    assert np.isfinite(bounded(u))
    assert bounded(x) == np.inf
    with pytest.raises(js.InputError, match="bounds"):
        PenaltyProx(js.SlidingGroups(3), (6, 7), lower=0.0)


def test_pyproximal_total_variation_agrees():
    pyproximal = pytest.importorskip("pyproximal")
    from jumpset.interop.pyproximal import PenaltyProx

    x = np.random.default_rng(1).random((6, 7))
    theirs = pyproximal.TV(dims=x.shape, sigma=1.0, niter=2000, rtol=1e-12)
    ours = PenaltyProx(js.TotalVariation(), x.shape)
    energy = lambda u: 0.5 * np.sum((u - x.ravel()) ** 2) + 0.1 * ours(u)  # noqa: E731
    best = ours.prox(x.ravel(), 0.1)
    assert energy(best) <= energy(theirs.prox(x.ravel(), 0.1)) + 1e-6
    np.testing.assert_allclose(best, theirs.prox(x.ravel(), 0.1), atol=5e-3)


@pytest.mark.parametrize("library", ["tensorflow", "jax"])
def test_the_page_about_array_libraries(library):
    """Its blocks of libraries that may be absent give what torch gives for channels first."""
    pytest.importorskip(library)
    page = (Path(__file__).parents[2] / "docs" / "array_libraries.rst").read_text(encoding="utf-8")
    found = re.findall(r"^\.\. code-block:: py\n\n((?: +.*\n|\n)+)", page, re.MULTILINE)
    blocks = [textwrap.dedent(block) for block in found]
    names = {"js": js}
    for block in [b for b in blocks if ("jax" in b) == (library == "jax")]:
        exec(compile(block, "array_libraries.rst", "exec", dont_inherit=True), names)
    images = (
        torch.from_numpy(np.array(names["images"]) if library == "jax" else names["x"].numpy())
        .movedim(-1, 1)
        .requires_grad_()
    )
    value = js.TotalVariation()(images)
    assert float(names["value"]) == pytest.approx(value.item(), rel=1e-5)
    wanted = torch.autograd.grad(value, images)[0].movedim(1, -1).numpy()
    np.testing.assert_allclose(np.array(names["slope"]), wanted, rtol=1e-4, atol=1e-7)


def test_deepinv_prior_is_differentiable(monkeypatch):
    """Unfolding trains through ``prox`` and ``grad``, with gamma as (B, 1, 1, 1), too."""
    try:
        import deepinv  # noqa: F401
    except ImportError:
        optim = types.ModuleType("deepinv.optim")
        optim.Prior = torch.nn.Module
        monkeypatch.setitem(sys.modules, "deepinv", types.ModuleType("deepinv"))
        monkeypatch.setitem(sys.modules, "deepinv.optim", optim)
        monkeypatch.delitem(sys.modules, "jumpset.interop.deepinv", raising=False)
    from jumpset.interop.deepinv import PenaltyPrior

    x = torch.rand(2, 1, 8, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gamma = torch.tensor([0.05, 0.2], dtype=torch.float64)
    for penalty in (js.L1(), js.TotalVariation(isotropic=False, channels="separate"), js.SlidingGroups(3)):
        outcomes = []
        for of, price in (
            (PenaltyPrior(penalty).prox, gamma.reshape(-1, 1, 1, 1)),
            (js.Prox(penalty, 0.0, tol=1e-6), gamma),
        ):
            v, price = x.clone().requires_grad_(), price.clone().requires_grad_()
            u = of(v, gamma=price) if price.ndim > 1 else of(v, price)
            outcomes.append([u.detach(), *torch.autograd.grad(u.square().sum(), (v, price))])
        for ours, theirs in zip(*outcomes, strict=True):
            torch.testing.assert_close(ours.flatten(), theirs.flatten())
            assert ours.any()
    one = torch.full((1, 1, 1, 1), 0.05, dtype=torch.float64)
    torch.testing.assert_close(PenaltyPrior(js.L1()).prox(x, gamma=one), js.L1().prox(x, 0.05))
    prior = PenaltyPrior(js.penalties.Charbonnier(0.1))
    v = x[:1, :, :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(prior.grad, (v,))
