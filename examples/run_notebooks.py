"""Execute the notebooks and store their outputs: `make notebooks`.

    python examples/run_notebooks.py [NOTEBOOK ...]

A notebook whose cell fails is left as it was. Figures are stored with 256 colours, in a third of the bytes.
Needs nbclient and ipykernel.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from jumpset.io import atomic_write

NOTEBOOKS = Path(__file__).parent / "notebooks"


def executed(path: Path, seconds: int = 300) -> nbformat.NotebookNode:
    """Return a notebook with fresh outputs; a cell may take the given seconds."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=seconds, record_timing=False, coalesce_streams=True)
    client.execute(cwd=str(path.parent))
    notebook.metadata.language_info = {"name": "python"}  # not the version of this Python
    return notebook


def compress(notebook: nbformat.NotebookNode) -> None:
    """Reduce the colours of the figures in place."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for data in (output.data for output in outputs if "image/png" in output.get("data", {})):
        with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as figure:
            small = figure.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        file = io.BytesIO()
        small.save(file, "PNG", optimize=True)
        data["image/png"] = base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Execute the notebooks of the command line, or all."""
    for path in map(Path, sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb"))):
        notebook = executed(path)
        compress(notebook)
        with atomic_write(path) as file:
            nbformat.write(notebook, file)
        print(path)


if __name__ == "__main__":
    main()
