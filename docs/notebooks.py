"""Write a page for each notebook of examples/notebooks, with the outputs that it holds; run by `make docs`.

`make notebooks` makes the outputs, and a slow test executes the notebooks.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jumpset as js

SOURCE = Path(__file__).parents[1] / "examples" / "notebooks"
ORDER = ("one_image", "penalties_in_training", "jpeg_logo", "region_tree", "choosing_a_weight", "restore")
HEAD = """\
Notebooks
=========

Each notebook is executed by the tests and can be downloaded from its page. All images come with the package
or are drawn. The :doc:`short programs </generated/gallery/index>` show more, one thing each.
"""


class Page(NamedTuple):
    """A notebook as a page: its title, its first sentence, its text, and its figures by file name."""

    title: str
    summary: str
    text: str
    figures: dict[str, bytes]


def names() -> list[str]:
    """Return the notebooks in their order; an unlisted notebook is an error."""
    found = {path.stem for path in SOURCE.glob("*.ipynb")}
    if found != set(ORDER):
        raise ValueError(f"docs/notebooks.py lists {sorted(ORDER)}, examples/notebooks has {sorted(found)}")
    return list(ORDER)


def write(folder: Path) -> str:
    """Write the pages with their figures and notebooks, and return the overview with cards."""
    folder.mkdir(exist_ok=True)
    cards, entries = [], []
    for name in names():
        page = read(name)
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != page.text:
            path.write_text(page.text, encoding="utf-8")
        for file, data in page.figures.items():
            with js.io.atomic_write(folder / file) as figure:
                figure.write_bytes(data)
        shutil.copyfile(SOURCE / f"{name}.ipynb", folder / f"{name}.ipynb")
        cards.append(
            f"   .. grid-item-card:: {page.title}\n      :link: /generated/notebooks/{name}\n"
            f"      :link-type: doc\n      :img-top: notebooks/{next(iter(page.figures))}\n"
            f"      :img-alt: First figure of the notebook\n\n      {page.summary}\n"
        )
        entries.append(f"   notebooks/{name}")
    grid = ".. grid:: 1 2 2 3\n   :gutter: 3\n\n" + "\n".join(cards)
    listed = "\n".join([*entries, "   gallery/index"])
    return f"{HEAD}\n{grid}\n.. toctree::\n   :hidden:\n\n{listed}\n"


def read(name: str) -> Page:
    """Return the page of a notebook, as Markdown."""
    cells = json.loads((SOURCE / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    heading, figures, parts = "", {}, []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = [heading, *re.findall(r"^#+ (.+)$", source, re.MULTILINE)][-1]
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            for kind, content in _contents(output):
                if kind == "image/png":
                    file = f"{name}-{len(figures) + 1}.png"
                    figures[file] = base64.b64decode(content)
                    parts.append(f"![Output: {heading}]({file})")
                else:
                    fence = "{raw} html" if kind == "text/html" else "text"
                    parts.append(f"```{fence}\n{content.rstrip()}\n```")
    title, _, rest = parts[0].partition("\n")
    download = f"{{download}}`Download this notebook <{name}.ipynb>`"
    text = "\n\n".join([title, download, rest.strip(), *parts[1:]]) + "\n"
    summary = re.split(r"(?<=\.)\s", " ".join(rest.split()))[0].replace("`", "``")
    return Page(title.lstrip("# "), summary, text, figures)


def _contents(output: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what an output shows: the richest of its forms, with its type."""
    if output["output_type"] == "stream":
        yield "text/plain", "".join(output["text"])
    elif output["output_type"] == "error":
        raise ValueError(f"a cell failed: {output['evalue']}")
    else:
        forms = output["data"]
        kind = next(kind for kind in ("image/png", "text/html", "text/plain") if kind in forms)
        yield kind, "".join(forms[kind])
