"""Losses and layers inside the training frameworks that people use, each with the real package."""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import jumpset as js

pytestmark = pytest.mark.slow  # the frameworks take seconds to import


@pytest.fixture(autouse=True)
def _notices_of_the_frameworks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def images(batch: int = 4) -> Tensor:
    return torch.rand(batch, 1, 12, 10, generator=torch.Generator().manual_seed(1))


class Model(nn.Module):
    """A small network whose last layer is a prox, and a loss with a trained weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        self.layer = js.Prox(js.SparseTV(isotropic=False), 0.02, learnable=True)
        self.criterion = js.PenaltyLoss(js.SlidingGroups(3), 0.1, learnable=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.net(x))

    def loss(self, x: Tensor) -> Tensor:
        output = self(x)
        return (output - x).square().mean() + self.criterion(output)


def train(model: Model, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
    for _ in range(n_steps):
        optimizer.zero_grad()
        model.loss(images()).backward()
        optimizer.step()
        model.criterion.step()


def test_lightning(tmp_path):
    """Training, a checkpoint of the trainer, and the model out of it."""
    lightning = pytest.importorskip("pytorch_lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def training_step(self, batch, _):
            return self.model.loss(batch)

        def on_train_batch_end(self, *_):
            self.model.criterion.step()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.05)

    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=3,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
        **quiet,
    )
    module, alone = Module(), Model()
    trainer.fit(module, torch.utils.data.DataLoader(images().repeat(3, 1, 1, 1), batch_size=4))
    train(alone, torch.optim.SGD(alone.parameters(), lr=0.05), 3)
    for ours, theirs in zip(module.model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours.detach(), theirs.detach())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = Module.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=False)
    assert int(loaded.model.criterion.n_steps) == 3
    torch.testing.assert_close(loaded.model(images()), module.model(images()))


def test_accelerate(tmp_path):
    """``save_state`` and ``load_state`` continue a training where it was."""
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model, optimizer = accelerator.prepare(model, optimizer)

    def step():
        optimizer.zero_grad()
        accelerator.backward(model.loss(images()))
        optimizer.step()
        model.criterion.step()

    step()
    accelerator.save_state(str(tmp_path / "state"))
    step()
    expected, n_steps = model(images()).detach(), int(model.criterion.n_steps)
    step()
    accelerator.load_state(str(tmp_path / "state"))
    step()
    torch.testing.assert_close(model(images()).detach(), expected)
    assert int(model.criterion.n_steps) == n_steps == 2


def _shard(rank: int, folder: str) -> None:
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    mesh = torch.distributed.init_device_mesh("cpu", (2,))
    model = Model()
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    output = model(images())
    (output - images()).square().mean().backward()
    optimizer.step()
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if rank == 0:
        torch.save(state, Path(folder) / "state.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch was built without gloo")
def test_sharded_parameters():
    """Two processes share the parameters; the whole state is that of one process."""
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    (model(images()) - images()).square().mean().backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_shard, (folder,), nprocs=2)
        state = torch.load(Path(folder) / "state.pt", weights_only=True)
    assert state.keys() == model.state_dict().keys()
    for name, expected in model.state_dict().items():
        torch.testing.assert_close(state[name], expected)


def _in_a_process(layer: js.Prox, x: Tensor) -> np.ndarray:
    torch.set_num_threads(1)
    v = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(layer(v).square().sum(), v)
    return slope.numpy()


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_processes(way):
    """A layer with a warm start travels to other processes, by spawn and by fork."""
    if way == "fork" and not hasattr(__import__("os"), "fork"):
        pytest.skip("Windows has no fork")
    layer, x = js.Prox(2 * js.SparseTV(), 0.05, warm_start=True), images().double()
    expected = _in_a_process(layer, x)
    torch.set_num_threads(1)
    with ProcessPoolExecutor(2, mp_context=get_context(way)) as pool:
        for found in pool.map(_in_a_process, [layer] * 2, [x] * 2):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_an_exported_program_runs_in_another_process(tmp_path):
    layer, x = js.Prox(js.SparseTV(), 0.05), images()
    torch.export.save(torch.export.export(layer, (x,)), tmp_path / "layer.pt2")
    torch.save(x, tmp_path / "x.pt")
    script = """
import sys, torch, jumpset.nn
folder = sys.argv[1]
program = torch.export.load(folder + "/layer.pt2").module()
torch.save(program(torch.load(folder + "/x.pt")), folder + "/u.pt")
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(tmp_path)], check=True, timeout=120)
    torch.testing.assert_close(torch.load(tmp_path / "u.pt"), layer(x))


def test_deepinv_unfolding_learns_the_weight():
    """Proximal gradient steps whose weight of the prior is trained reach the weight that denoises best."""
    deepinv = pytest.importorskip("deepinv", reason="deepinv needs torchvision, which CI does not install")
    from jumpset.interop.deepinv import PenaltyPrior

    clean = torch.zeros(2, 1, 16, 16)
    clean[..., 4:12, 4:12] = 1.0
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    physics = deepinv.physics.Denoising()
    model = deepinv.optim.PGD(
        data_fidelity=deepinv.optim.L2(), prior=PenaltyPrior(js.TotalVariation()), stepsize=1.0, lambda_reg=0.5,
        max_iter=3, unfold=True, trainable_params=["lambda"],
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = (model(noisy, physics) - clean).square().mean()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] < 0.4 * float((noisy - clean).square().mean())


# ------------------------------------------------------------------------------------------- JAX and TensorFlow

ARRAYS = [js.TotalVariation(), js.SparseTV(), js.SlidingGroups(3), js.L1(), js.penalties.TiledGroups(3)]


def reference(penalty: js.Penalty, x: np.ndarray) -> tuple[float, np.ndarray]:
    leaf = torch.from_numpy(x).movedim(-1, 1).requires_grad_()
    value = penalty(leaf)
    (slope,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), slope.movedim(1, -1).numpy()


CHANNELS_LAST = np.random.default_rng(0).random((2, 9, 8, 3), dtype=np.float32)


@pytest.mark.parametrize("penalty", ARRAYS, ids=repr)
def test_transforms_of_jax(penalty):
    jax = pytest.importorskip("jax")
    value, slope = reference(penalty, CHANNELS_LAST)
    loss = lambda x: penalty(x, channel_axis=-1)  # noqa: E731
    found, gradient = jax.jit(jax.value_and_grad(loss))(CHANNELS_LAST)
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-6)
    each = jax.vmap(lambda x: penalty(x[None], channel_axis=-1))(CHANNELS_LAST)
    assert float(each.mean()) == pytest.approx(value, rel=1e-5)
    devices = jax.pmap(jax.value_and_grad(loss))(CHANNELS_LAST[None])
    np.testing.assert_allclose(devices[1][0], slope, rtol=1e-4, atol=1e-6)


def test_equinox():
    equinox, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    net = equinox.nn.Conv2d(3, 3, 3, padding=1, key=jax.random.key(0))
    x = np.moveaxis(CHANNELS_LAST, -1, 1)

    @equinox.filter_jit
    @equinox.filter_value_and_grad
    def loss(net, x):
        output = jax.vmap(net)(x)
        return ((output - x) ** 2).mean() + 0.1 * js.SlidingGroups(3)(output, channel_axis=1)

    before, slope = loss(net, x)
    after, _ = loss(equinox.apply_updates(net, jax.tree.map(lambda g: -0.05 * g, slope)), x)
    assert float(after) < float(before)


def test_flax():
    linen = pytest.importorskip(
        "flax.linen", reason="flax brings storage libraries, which CI does not install"
    )
    jax = pytest.importorskip("jax")
    net = linen.Conv(3, (3, 3))
    weights = net.init(jax.random.key(0), CHANNELS_LAST)

    @jax.jit
    @jax.value_and_grad
    def loss(weights):
        output = net.apply(weights, CHANNELS_LAST)
        return ((output - CHANNELS_LAST) ** 2).mean() + 0.1 * js.SparseTV()(output, channel_axis=-1)

    before, slope = loss(weights)
    after, _ = loss(jax.tree.map(lambda w, g: w - 0.05 * g, weights, slope))
    assert float(after) < float(before)


def test_keras():
    """A loss of the output, and a regularizer of the activity, in a model that is trained by ``fit``."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("another backend of Keras is set")
    penalty = js.TotalVariation()

    def loss(target, output):
        return keras.ops.mean((target - output) ** 2) + 0.1 * penalty(output, channel_axis=-1)

    def activity(features):
        return 0.01 * js.SlidingGroups(3)(features, channel_axis=-1)

    hidden = keras.layers.Conv2D(4, 3, padding="same", activation="relu", activity_regularizer=activity)
    model = keras.Sequential(
        [keras.Input((None, None, 3)), hidden, keras.layers.Conv2D(3, 3, padding="same")]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss=loss)
    history = model.fit(CHANNELS_LAST, CHANNELS_LAST, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("penalty", ARRAYS, ids=repr)
def test_xla_of_tensorflow(penalty):
    tf = pytest.importorskip("tensorflow")
    value, slope = reference(penalty, CHANNELS_LAST)

    @tf.function(jit_compile=True)
    def loss(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = penalty(x, channel_axis=-1)
        return found, tape.gradient(found, x)

    found, gradient = loss(tf.constant(CHANNELS_LAST))
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-6)


def test_a_copied_module_trains_alone():
    model = Model()
    twin = copy.deepcopy(model)
    train(twin, torch.optim.SGD(twin.parameters(), lr=0.1), 1)
    assert not torch.equal(twin.layer.log_tau, model.layer.log_tau)
    assert torch.equal(model(images()), Model()(images()))
