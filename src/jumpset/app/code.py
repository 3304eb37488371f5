"""The command and the lines of Python that give exactly what the page shows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from jumpset._core import checks
from jumpset.running import registry


def code_of(name: str, source: dict[str, Any]) -> dict[str, str]:
    """Return ``command`` and ``python`` for a cut of the tree, or for a method and its settings.

    Parameters
    ----------
    name
        The name of the file.
    source
        ``{"n_regions": n}``, or ``{"method": name, "settings": {...}}``.
    """
    file = Path(name)
    suffix = file.suffix if file.suffix.lower() in (".png", ".tif", ".tiff", ".webp", ".npy") else ".png"
    out = f"{file.stem}-smoothed{suffix}"
    read = f"picture = js.io.read_picture({name!r})"
    write = f"js.io.write_picture({out!r}, picture.with_pixels(flat))"
    if "n_regions" in source:
        n = source["n_regions"]
        checks.integer("n_regions", n, at_least=1)
        command = ["jumpset", "tree", name, "--output", ".", "--regions", str(n)]
        flat = f"flat = js.RegionTree(picture.pixels, alpha=False).smooth(n_regions={n})"
    else:
        method, settings = source.get("method"), source.get("settings", {})
        registry.method(str(method), **settings)  # raises for what does not exist
        command = ["jumpset", "smooth", name, out, "--method", method]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        given = "".join(f", {key}={value!r}" for key, value in settings.items())
        if method == "dejpeg":
            given += f", tables={name!r}"
        flat = f"flat = js.run(picture.pixels, js.method({method!r}{given}), alpha=False).image"
    return {
        "command": shlex.join(command),
        "python": "\n".join(["import jumpset as js", "", read, flat, write]),
    }
