"""The adapters, against the libraries where they are installed, else against a stand-in of the same interface."""

import sys
import types

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
