"""Penalty, prox and partition inside a training loop: accumulation, scaled losses, autocast, two processes."""

import copy
import pickle
import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import jumpset as js


def network(seed: int = 0, *, prox: bool = True) -> nn.Module:
    torch.manual_seed(seed)
    layer = js.Prox(js.SparseTV(isotropic=False), 0.02, learnable=True) if prox else nn.ReLU()
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1), layer)


def images(batch: int = 4) -> Tensor:
    return torch.rand(batch, 1, 12, 10, generator=torch.Generator().manual_seed(1))


def loss_of(net: nn.Module, criterion: js.PenaltyLoss, x: Tensor) -> Tensor:
    output = net(x)
    return (output - x).square().mean() + criterion(output)


def double(step: int) -> float:
    return 2.0


def gradients(net: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in net.parameters() if p.grad is not None]


PENALTIES = [js.SparseTV(), js.SlidingGroups(3, phi="log", scale=0.2), js.L1()]


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_accumulated_gradients_are_those_of_the_batch(penalty):
    criterion, x = js.PenaltyLoss(penalty, 0.1), images()
    whole, parts = network(), network()
    loss_of(whole, criterion, x).backward()
    for part in x.split(2):
        (loss_of(parts, criterion, part) / 2).backward()
    assert len(gradients(whole)) == len(list(whole.parameters()))
    for ours, theirs in zip(gradients(parts), gradients(whole), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layer", ["prox", "partition", "relu"])
def test_autocast_with_a_scaled_loss(dtype, layer):
    """The gradients of a large scale, divided by it, are those of float32 up to the precision of the dtype."""
    net, criterion, x = network(prox=layer == "prox"), js.PenaltyLoss(js.SparseTV(), 0.1), images()
    if layer == "partition":
        net[3] = js.nn.PartitionLayer(n_regions=120)
    plain = copy.deepcopy(net)
    loss_of(plain, criterion, x).backward()
    with torch.autocast("cpu", dtype=dtype):
        loss = loss_of(net, criterion, x)
    assert loss.dtype == torch.float32
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    for ours, theirs in zip(gradients(net), gradients(plain), strict=True):
        size = theirs.abs().max().clamp_min(1e-3)
        torch.testing.assert_close(ours / size, theirs / size, rtol=0.0, atol=0.1)
    before = [p.detach().clone() for p in net.parameters()]
    scaler.step(optimizer)
    assert any(not torch.equal(a, b.detach()) for a, b in zip(before, net.parameters(), strict=True))


def test_derivative_of_a_trained_weight():
    """A trained weight of the loss has the derivative R, and stays where a controller sets it."""
    criterion = js.PenaltyLoss(js.L1(), nn.Parameter(torch.tensor(0.5)))
    x = images()
    (slope,) = torch.autograd.grad(criterion(x), criterion.weight)
    torch.testing.assert_close(slope, js.L1()(x))
    assert list(dict(criterion.named_parameters())) == ["weight"]
    other = js.PenaltyLoss(js.L1(), nn.Parameter(torch.tensor(0.1)))
    other.load_state_dict(criterion.state_dict())
    torch.testing.assert_close(other(x), criterion(x))


@pytest.mark.parametrize("penalty", [js.L1(), js.SparseTV(), js.SlidingGroups(3)], ids=repr)
def test_a_trained_weight_stays_positive(penalty):
    """Of loss and layer: its derivative against finite differences, and descent that would pass 0."""
    x = images(2).double()
    criterion = js.PenaltyLoss(penalty, 0.5, learnable=True, schedule=double)
    layer = js.Prox(penalty, 0.2, learnable=True, tol=1e-10)
    loss = lambda: criterion(x)  # noqa: E731
    fit = lambda: (layer(x) - 0.1 * x).square().sum()  # noqa: E731
    for of, module, name in ((loss, criterion, "weight"), (fit, layer, "tau")):
        (parameter,) = module.parameters()
        (slope,) = torch.autograd.grad(of(), parameter)
        start, h = float(getattr(module, name).detach()), 1e-3
        values = []
        for sign in (1, -1):
            setattr(module, name, start * (1 + sign * h))
            values.append(float(of().detach()))
        assert float(slope) == pytest.approx((values[0] - values[1]) / (2 * h), rel=0.02, abs=1e-6)
        setattr(module, name, start)
        assert next(module.parameters()) is parameter  # which the optimizer holds
        optimizer = torch.optim.SGD(module.parameters(), lr=1e3)
        for _ in range(5):
            optimizer.zero_grad()
            criterion(x).backward() if module is criterion else layer(x).square().sum().neg().backward()
            optimizer.step()
        assert float(getattr(module, name).detach()) >= 0.0
        for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            torch.testing.assert_close(getattr(twin, name), getattr(module, name))
            assert [n for n, _ in twin.named_parameters()] == [f"log_{name}"]
    for make in (
        lambda: js.PenaltyLoss(penalty, 0.0, learnable=True),
        lambda: js.Prox(penalty, 0.0, learnable=True),
    ):
        with pytest.raises(js.InputError, match="positive"):
            make()


def test_a_step_compiles_nothing():
    """A new weight, factor of the schedule or grid of the tiles is an input of the graph."""
    tiles = js.penalties.TiledGroups(3)
    criterion = js.PenaltyLoss(tiles.at_step, 0.3, schedule=lambda step: 1.0 + step)
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    torch._dynamo.reset()
    compiled = torch.compile(criterion, fullgraph=True, backend=backend)
    x = images().requires_grad_()
    for step in range(6):
        found, expected = compiled(x), criterion(x)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(expected, 0.3 / 2**step * (1 + step) * tiles.at_step(step)(x))
        for ours, theirs in zip(torch.autograd.grad(found, x), torch.autograd.grad(expected, x), strict=True):
            torch.testing.assert_close(ours, theirs)
        criterion.step()
        criterion.weight = criterion.weight / 2
    assert len(graphs) == 1


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_functional_transforms_nest(penalty):
    """``grad`` of ``vmap`` and ``vmap`` of ``grad``, and a Jacobian, against autograd."""
    x = images(3)[..., :5, :4].double()

    def value(one: Tensor) -> Tensor:
        return penalty.value(one[None], channel_axis=1)[0]

    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(penalty.value(leaf).sum(), leaf)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(value))(x), expected)
    together = torch.func.grad(lambda y: torch.func.vmap(value)(y).sum())(x)
    torch.testing.assert_close(together, expected)
    torch.testing.assert_close(torch.func.jacrev(value)(x[0]), expected[0])
    torch.testing.assert_close(torch.func.vmap(torch.func.jacrev(value))(x), expected)


def _train_one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    net = nn.parallel.DistributedDataParallel(network())
    part = images().chunk(2)[rank]
    loss_of(net, js.PenaltyLoss(js.SparseTV(), 0.1), part).backward()
    if rank == 0:
        torch.save(gradients(net.module), Path(folder) / "gradients.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch was built without gloo")
def test_two_processes_have_the_gradients_of_one():
    net = network()
    loss_of(net, js.PenaltyLoss(js.SparseTV(), 0.1), images()).backward()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_train_one_of_two, (folder,), nprocs=2)
        found = torch.load(Path(folder) / "gradients.pt")
    for ours, theirs in zip(found, gradients(net), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
