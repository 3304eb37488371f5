"""Checkpoints, weights and records that nobody's program wrote raise FileError, soon; nothing else."""

import json
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save

import jumpset as js
from jumpset.cli._bench_files import read_records
from jumpset.learned.architectures import NETWORKS
from jumpset.learned.weights import load_network

PICTURE = np.random.default_rng(0).random((20, 21))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    js.run(PICTURE, js.method("region-fusion", levels=9), max_steps=3, checkpoint=path)
    return torch.load(path, weights_only=True)


def first_array(state):
    """The first tensor of a state, and the place that holds it."""
    for place, value in state.items() if isinstance(state, dict) else enumerate(state):
        if isinstance(value, torch.Tensor) and value.ndim:
            return state, place
        if isinstance(value, (dict, list)) and (found := first_array(value)):
            return found
    return None


def with_first_array(content, change):
    state, place = first_array(content["state"])
    state[place] = change(state[place])


CHECKPOINTS = {
    "names": lambda c: c.update(names=None),
    "names list": lambda c: c.update(names=["method"]),
    "format": lambda c: c.update(format=None),
    "format list": lambda c: c.update(format=[1]),
    "no state": lambda c: c.pop("state"),
    "state": lambda c: c.update(state=3),
    "steps": lambda c: c.update(n_steps="many"),
    "negative": lambda c: c.update(n_steps=-1),
    "seconds": lambda c: c.update(seconds=None),
    "infinite": lambda c: c.update(seconds=float("inf")),
    "history": lambda c: c.update(history=None),
    "history of texts": lambda c: c["history"].update(energy=["a"]),
    "history without steps": lambda c: c["history"].pop("step"),
    "history of lengths": lambda c: c["history"]["step"].append(9),
    "dtype": lambda c: with_first_array(c, lambda t: t.to(torch.int8)),
    "axes": lambda c: with_first_array(c, lambda t: t[None]),
    "text": lambda c: with_first_array(c, lambda t: "text"),
    # of region fusion, whose kernels follow indices: a parent outside the image, a list without an end
    "parent": lambda c: c["state"]["regions"][0][0].fill_(10**6),
    "circle": lambda c: c["state"]["regions"][0][6].fill_(0),
    "fewer means": lambda c: c["state"]["regions"][0].__setitem__(2, c["state"]["regions"][0][2][:9]),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(name, checkpoint, tmp_path):
    path = tmp_path / "run"
    torch.save(checkpoint, path)
    content = torch.load(path, weights_only=True)
    CHECKPOINTS[name](content)
    torch.save(content, path)
    with pytest.raises(js.FileError):
        js.run(PICTURE, js.method("region-fusion", levels=9), checkpoint=path)


@pytest.mark.parametrize("content", [{"format": 1, "names": None}, [], None, {"format": 1}, {}])
def test_checkpoints_of_nothing(content, tmp_path):
    torch.save(content, tmp_path / "run")
    with pytest.raises(js.FileError):
        js.run(PICTURE, js.method("region-fusion"), checkpoint=tmp_path / "run")


def weights(path, tensors=None, **metadata):
    ours = {"format": 1, "network": "vdcnn", "sizes": {"width": 8, "depth": 4}, "jumpset": "1"} | metadata
    texts = {
        key: value if isinstance(value, str) and value.startswith("!") else json.dumps(value)
        for key, value in ours.items()
    }
    texts = {key: text.removeprefix("!") for key, text in texts.items()}
    network = js.learned.build("vdcnn", {"width": 8, "depth": 4})
    path.write_bytes(save(network.state_dict() if tensors is None else tensors, metadata=texts))


WEIGHTS = {
    "deep": {"sizes": {"width": 8, "depth": 100_000}},
    "deep with an axis of that length": {
        "sizes": {"width": 8, "depth": 100_000}, "tensors": {"a": torch.zeros(100_000, 1)},
    },
    "wide": {"sizes": {"width": 10**9, "depth": 4}},
    "negative": {"sizes": {"width": -8, "depth": 4}},
    "text": {"sizes": {"width": "8", "depth": 4}},
    "no sizes": {"sizes": None},
    "list of sizes": {"sizes": [8, 4]},
    "unknown size": {"sizes": {"width": 8, "depth": 4, "colour": 1}},
    "nested": {"sizes": {"width": [[8]], "depth": {}}},
    "network": {"network": ["vdcnn"]},
    "format": {"format": [1]},
    "no JSON": {"sizes": "!{"},
    "deep JSON": {"sizes": "!" + "[" * 100_000},
    "other tensors": {"tensors": {"a": torch.zeros(3)}},
    "no tensors": {"tensors": {}},
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name, tmp_path):
    path = tmp_path / "w.safetensors"
    weights(path)
    load_network(NETWORKS["vdcnn"], path)
    weights(path, **WEIGHTS[name])
    began = time.perf_counter()
    with pytest.raises(js.FileError):
        load_network(NETWORKS["vdcnn"], path)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "header", [b"[]", b"{}", b'{"__metadata__": 3}', b'{"__metadata__": {"format": 1}}', b"\xff", b""]
)
def test_headers_of_weights(header, tmp_path):
    path = tmp_path / "w.safetensors"
    for content in (
        len(header).to_bytes(8, "little") + header,
        (2**62).to_bytes(8, "little") + header,
        header,
    ):
        path.write_bytes(content)
        with pytest.raises(js.FileError):
            js.learned.load_weights(path)


RECORD = {"image": "a", "method": "tv", "status": "CONVERGED", "settings": {}, "psnr": 30.0}


@pytest.mark.parametrize("content", [
    "{", "null", "3", '"text"', "{}", "[3]", "[null]", "[[]]", "[" * 100_000,
    *(json.dumps([{**RECORD, **change}]) for change in (
        {"image": None}, {"method": 3}, {"status": None}, {"status": 3}, {"settings": None}, {"settings": []},
        {"psnr": "30"}, {"psnr": []}, {"seconds": True}, {"n_steps": {}},
    )),
])  # fmt: skip
def test_records(content, tmp_path):
    path = tmp_path / "out.json"
    path.write_text(json.dumps([RECORD]))
    assert read_records(path, []) == [RECORD]
    path.write_text(content)
    with pytest.raises(js.FileError, match="resume"):
        read_records(path, [])
