"""The Python blocks of the README and of the documentation run."""

import re
import textwrap
from pathlib import Path

import pytest
import torch

import jumpset as js

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]


def blocks(path):
    """The Python blocks of a page, in their order."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found = re.findall(r"^( *)\.\. code-block:: python\n\n((?:\1 +.*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


@pytest.fixture
def names(monkeypatch):
    """What the blocks leave to the reader, and small images in place of large ones."""
    coffee, textured = js.datasets.coffee, js.datasets.textured
    monkeypatch.setattr(js.datasets, "coffee", lambda: coffee()[100:132, 200:240].copy())
    monkeypatch.setattr(js.datasets, "textured", lambda **settings: textured(48, 64, **settings))
    monkeypatch.setattr(js.training, "train", lambda *given, **settings: None)
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    shared = {"x": x, "output": x, "reconstruction": x, "mse": x.square().mean(), "body": torch.nn.Identity()}
    optimizer = torch.optim.SGD([x], 0.1)
    return shared | {"optimizer": optimizer, "torch": torch, "js": js, "image": coffee()[:24, :32]}


def test_there_are_blocks():
    assert sum(len(blocks(path)) for path in PAGES) >= 12


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p)], ids=lambda path: path.name)
def test_blocks_run(path, names):
    for block in blocks(path):
        code = block.replace(', weights="mine.safetensors"', "")  # a file that the reader has trained
        code = code.replace("max_seconds=60)", "max_seconds=1)")
        exec(compile(code, path.name, "exec", dont_inherit=True), names)
