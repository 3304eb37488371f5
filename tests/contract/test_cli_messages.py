"""Every message of the command line is one line that names options of the command, never arguments of Python."""

import inspect
import re
import warnings

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli._messages import in_options
from jumpset.cli.app import app

COMMANDS = {info.callback.__name__: info.callback for info in app.registered_commands if info.callback}
FLAGS = {
    "assignments": "--set",
    "suffix": "--format",
    "as_json": "--json",
    "folder": "--output",
    "output": "--json",
}
PYTHON = re.compile(
    r"\b(js|np|jumpset)\.\w|\w_\w+=|\b(value_range|max_seconds|max_steps|checkpoint_every|n_regions|n_colors|channel_axis|missing=)"
    r"|an int\b|a bool\b|\bNone\b|Traceback"
)
BAD = ["-1", "0", "nan", "x", "", "bad.png", "small.png", "nan.npy", "folder"]
IMAGES = ["bad.png", "nan.npy", "wide.npy", "large.npy", "infinite.npy", "complex.npy", "empty.npy", "bands.npy", "pages.tif", "none.png", "folder/none"]  # fmt: skip
CALLS = {
    "smooth": ["a.png", "out.npy", "-m", "fgs"],
    "restore": ["a.png", "out.npy", "--max-steps", "1"],
    "compare": ["a.png", "-m", "fgs", "--report", "r.html"],
    "tree": ["a.png", "-o", "tree", "--regions", "3"],
    "vectorize": ["a.png", "out.svg", "--regions", "3"],
    "bench": ["synthetic", "-m", "fgs", "--json", "b.json", "--limit", "1"],
    "synth": ["pairs", "-n", "1", "--size", "16x16"],
    "methods": [],
    "warmup": ["-m", "fgs"],
}
SLOW = {"train": ["resnet", "-o", "w.safetensors", "--steps", "1"], "export": ["resnet", "o.onnx"]}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = js.datasets.coffee()[80:90, 100:112]
    js.io.write_picture("a.png", image)
    js.io.write_picture("small.png", image[:3, :3])
    holes = image / 255
    holes[0, 0] = np.nan
    arrays = {
        "nan": holes, "wide": np.arange(42).reshape(6, 7), "large": np.arange(42.0).reshape(6, 7), "complex": np.zeros((4, 5), complex),
        "infinite": np.full((4, 5), np.inf), "empty": np.zeros((0, 5)), "bands": np.random.default_rng(0).random((5, 6, 5)),
    }  # fmt: skip
    for name, values in arrays.items():
        np.save(f"{name}.npy", values)
    (tmp_path / "bad.png").write_text("x")
    (tmp_path / "folder").mkdir()
    Image.fromarray(image).save("pages.tif", save_all=True, append_images=[Image.fromarray(image)])
    return tmp_path


def check(name, arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        result = CliRunner().invoke(app, [name, *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
    assert result.exit_code in (0, 1, 2), arguments
    said = [line for line in result.stderr.splitlines() if line.startswith("jumpset:")]
    flags = {FLAGS.get(p, f"--{p.replace('_', '-')}") for p in inspect.signature(COMMANDS[name]).parameters}
    for line in said:
        assert not PYTHON.search(line), (arguments, line)
        assert set(re.findall(r"(?<![\w-])--[a-z][\w-]+", line)) <= flags | set(arguments), (arguments, line)
    if result.exit_code == 2 and not result.stderr.startswith("Usage"):
        assert len(said) == 1 == len(result.stderr.splitlines()), (arguments, result.stderr)


def options(name):
    for parameter in inspect.signature(COMMANDS[name]).parameters.values():
        is_path = parameter.default is inspect.Parameter.empty
        if not is_path and parameter.default is not False and parameter.name not in ("device", "as_json"):
            yield FLAGS.get(parameter.name, f"--{parameter.name.replace('_', '-')}")


def test_every_command_is_here():
    assert {*CALLS, *SLOW, "app"} == {*COMMANDS}


@pytest.mark.parametrize("name", ["smooth", "tree", "synth", "methods", "warmup"])
def test_bad_values_of_options(place, name):
    for flag in options(name):
        for value in ("-1", "x", "nan.npy"):
            check(name, [*CALLS[name], flag, value])


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_more_bad_values_of_options(place, name):
    for flag in options(name):
        for value in BAD:
            check(name, [*CALLS[name], flag, value])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_bad_values_of_options_of_training(place, name):
    for flag in {*options(name)} - {"--licence", "--checkpoint"}:
        check(name, [*SLOW[name], flag, "-1"])


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call[:1] == ["a.png"]])
def test_bad_images(place, name):
    for image in IMAGES:
        check(name, [image, *CALLS[name][1:]])
    js.io.write_picture("folder/a.png", np.zeros((3, 4), np.uint8))
    if name != "compare":
        check(name, ["folder", *["out" if a.startswith("out.") else a for a in CALLS[name][1:]]])
        check(name, ["*.npy", *["out" if a.startswith("out.") else a for a in CALLS[name][1:]]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pass value_range=(0, 255), or value_range='data'", "pass --value-range 0,255, or --value-range data"),
        ("max_seconds must be above 0", "--max-seconds must be above 0"),
        ("weight must be at least 0", "--weight must be at least 0"),
        ("lower the weight", "lower the weight"),
        ("pass stride=6, or a larger patch", "pass --set stride=6, or a larger patch"),
        ("write e.g. --set levels=50", "write e.g. --set levels=50"),
        ("write e.g. l0:sharp:weight=0.02", "write e.g. l0:sharp:weight=0.02"),
        ("levels must be a whole number", "--set levels must be a whole number"),
        ("n_regions=3 and missing='nan'", "--set n_regions=3 and --missing nan"),
    ],
)  # fmt: skip
def test_arguments_as_options(text, expected):
    names = ["weight", "value_range", "max_seconds", "missing"]
    assert in_options(text, dict.fromkeys(names) | {"assignments": ["levels=x"]}) == expected
