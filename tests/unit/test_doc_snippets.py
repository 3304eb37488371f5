"""The Python blocks of the README and of the documentation run."""

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import jumpset as js

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.rst")),
    *sorted((ROOT / "docs" / "quickstart").glob("*.rst")),
]


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


def test_the_calls_of_the_table_by_task_run(names):
    calls = re.findall(r"\| `(js\.[^`]+)` \|", PAGES[0].read_text(encoding="utf-8"))
    assert len(calls) == 10
    image = js.datasets.jpeg(js.datasets.shapes(40, 48, seed=0), quality=20)
    names |= {"image": image, "depth": image.mean(-1), "valid": image[..., 0] > 0.2}
    for call in calls:
        code = call.replace('tables="in.jpg"', "n_steps=0").replace('"dip-l0")', '"dip-l0", max_seconds=1)')
        answer = eval(code, names)
        assert answer.shape[:2] == image.shape[:2]
        assert np.isfinite(answer).all()


def test_there_are_blocks():
    assert sum(len(blocks(path)) for path in PAGES) >= 12


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p)], ids=lambda path: path.name)
def test_blocks_run(path, names):
    for block in blocks(path):
        code = block.replace(', weights="mine.safetensors"', "")  # a file that the reader has trained
        code = code.replace("max_seconds=60)", "max_seconds=1)")
        exec(compile(code, path.name, "exec", dont_inherit=True), names)


def shell_lines():
    """The lines of the README, the pages and the notebooks that call the program, without remarks."""
    pages = [*PAGES, *(ROOT / "docs").glob("*.md"), *(ROOT / "examples" / "notebooks").glob("*.ipynb")]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        yield from re.findall(r"^ *(jumpset [a-z]+\b.*?)(?: +#.*)?$", text, re.MULTILINE)


def test_the_commands_of_the_pages_have_these_options():
    from typer.main import get_command

    from jumpset.cli.app import app

    program, read = get_command(app), set()
    for line in shell_lines():
        name, *words = line.split()[1:]
        if name not in program.commands:
            continue  # a sentence that begins with the name of the package
        known = {
            text for option in program.commands[name].params for text in option.opts + option.secondary_opts
        }
        used = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}
        assert used <= known | {"--help", "-h"}, line
        read.add(name)
    assert {"smooth", "compare", "tree", "vectorize", "restore", "train"} <= read


@pytest.mark.parametrize(("page", "library"), [("keras", "tensorflow"), ("jax", "jax")])
def test_the_quick_starts_of_other_libraries_run(page, library):
    pytest.importorskip(library)
    text = (ROOT / "docs" / "quickstart" / f"{page}.rst").read_text(encoding="utf-8")
    code = re.search(r"\.\. code-block:: py\n\n((?:   .*\n|\n)+)", text)[1]
    names = {}
    exec(compile(textwrap.dedent(code), page, "exec", dont_inherit=True), names)
    if library == "jax":
        assert np.isfinite(float(names["value"]))
        assert float(abs(names["slopes"]["threshold"])) > 0
    else:
        assert np.isfinite(names["model"].history.history["loss"]).all()
