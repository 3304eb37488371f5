"""Assemble the page "Try jumpset", which needs no server: its own files, and what it shares with the app.

python docs/try_page.py FOLDER   # then e.g. python -m http.server --directory FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from jumpset import datasets, io

OWN = Path(__file__).parent / "try"
APP = Path(__file__).parents[1] / "src" / "jumpset" / "app" / "static"
SHARED = ("app.css", "cut.js", "files.js", "icon.svg", "slider.js", "stage.css", "view.js")


def build(folder: Path) -> Path:
    """Write the page to a folder, which is made, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*OWN.iterdir(), *(APP / name for name in SHARED)]:
        shutil.copyfile(path, folder / path.name)
    io.write_picture(folder / "coffee.png", datasets.coffee())
    return folder


if __name__ == "__main__":
    build(Path(sys.argv[1]))
