"""The files that a result can be saved as, each with the command and the lines of Python that write it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jumpset import io, regions
from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Status
from jumpset.app.workspace import Opened, Run, written
from jumpset.running import registry

MOST_SHAPES = 1 << 15  # in a drawing of a method's result: more are no flat regions
_COLORS = 16


@dataclass(frozen=True)
class Format:
    """A kind of file: the end of its name, its media type, and what it says."""

    ending: str
    media: str
    title: str


FORMATS = {
    "png": Format(".png", "image/png", "PNG"),
    "tif": Format(".tif", "image/tiff", "TIFF"),
    "webp": Format(".webp", "image/webp", "WebP"),
    "jpg": Format(".jpg", "image/jpeg", "JPEG"),
    "svg": Format(".svg", "image/svg+xml", "SVG drawing"),
    "geojson": Format(".geojson", "application/geo+json", "GeoJSON polygons"),
    "labels": Format(".labels.tif", "image/tiff", "Labels, TIFF"),
    "palette-png": Format("-palette.png", "image/png", "Palette, PNG"),
    "palette-gpl": Format("-palette.gpl", "text/plain", "Palette, GIMP"),
    "palette-json": Format("-palette.json", "application/json", "Palette, JSON"),
}
_RASTERS = "png", "tif", "webp", "jpg"


@dataclass(frozen=True)
class Answer:
    """What the page shows: a cut of the tree, or the image of a run."""

    opened: Opened
    n_regions: int | None = None
    run: Run | None = None
    method: str = ""
    settings: Any = None

    @classmethod
    def of(cls, opened: Opened, source: dict[str, Any], run_of: Callable[[str], Run]) -> Answer:
        """Read ``{"n_regions": n}``, or ``{"method": name, "settings": {…}}`` with ``"run"`` for an image."""
        if "n_regions" in source:
            n, height, width = source["n_regions"], *opened.picture.pixels.shape[:2]
            checks.integer("n_regions", n, at_least=1, at_most=height * width)
            return cls(opened, n_regions=n)
        method, settings = str(source.get("method")), source.get("settings", {})
        if not isinstance(settings, dict):
            raise InputError("settings must be names and values", given=repr(settings), do="reload the page")
        registry.method(method, **settings)  # raises for what does not exist
        run = run_of(str(source["run"])) if "run" in source else None
        if run is not None and run.opened is not opened:
            raise InputError("the run is of another image", given=run.key, do="run the method again")
        return cls(opened, run=run, method=method, settings=settings)

    @property
    def stem(self) -> str:
        """The beginning of the names of its files."""
        stem = Path(self.opened.name).stem
        return f"{stem}-{self.method}" if self.n_regions is None else f"{stem}-regions-{self.n_regions}"

    def pixels(self) -> np.ndarray:
        """Return the image at full size."""
        if self.n_regions is not None:
            return self.opened.tree().smooth(n_regions=self.n_regions)
        if self.run is not None and self.run.state in ("waiting", "running"):
            raise InputError("the run is at work", given=self.method, do="wait for its end, or stop it")
        if self.run is None or self.run.image is None:
            raise InputError("the run has no image", given=self.method, do="wait for its first image")
        return self.run.image

    def labels(self) -> np.ndarray:
        """Return the labels of the regions: those of the cut, or the flat regions of the image of a run."""
        if self.n_regions is not None:
            return self.opened.tree().labels(n_regions=self.n_regions)
        return regions.label(self.pixels())


def export(answer: Answer, kind: str, *, n_colors: int = _COLORS) -> tuple[str, bytes]:
    """Return the name and the bytes of a file of one of :data:`FORMATS`."""
    ending = _check(kind, n_colors).ending
    data = written(f"image{ending}", lambda path: _write(answer, kind, path, n_colors))
    return answer.stem + ending, data


def _write(answer: Answer, kind: str, path: Path, n_colors: int) -> None:
    picture = answer.opened.picture
    if kind in _RASTERS:
        io.write_picture(path, picture.with_pixels(answer.pixels()))
        return
    labels = answer.labels()
    if kind == "labels":
        io.write_picture(path, labels.astype(np.uint16 if labels.max() < 2**16 else np.uint32))
        return
    if answer.n_regions is None:
        _check_is_flat(labels, answer.method)
        picture = picture.with_pixels(answer.pixels())
    has_alpha = picture.alpha is not None
    if kind == "svg":
        regions.to_svg(labels, picture.samples(), path, alpha=has_alpha, title=answer.opened.name)
    elif kind == "geojson":
        regions.to_geojson(labels, picture.samples(), path, alpha=has_alpha)
    else:
        few = regions.recolor(labels, picture.pixels, n_colors=n_colors, alpha=False)
        stem = "".join(c for c in answer.stem if c.isprintable()).encode()[:200].decode(errors="ignore")
        named = path.with_name(stem + path.name.removeprefix("image"))  # a GIMP palette holds its name
        io.write_palette(named, few.colors)
        named.replace(path)


def _check(kind: str, n_colors: int) -> Format:
    if kind not in FORMATS:
        raise InputError("no such format", given=kind, do=f"choose one of: {', '.join(FORMATS)}")
    checks.integer("the number of colours", n_colors, at_least=1, at_most=1024)
    return FORMATS[kind]


def _check_is_flat(labels: np.ndarray, method: str) -> None:
    if (count := int(labels.max())) > MOST_SHAPES:
        raise InputError(
            "the image is not flat in regions",
            given=f"{count} regions of {method}",
            do="use the slider of regions, or region-fusion or potts-descent",
        )


def code_of(answer: Answer, kind: str = "png", *, n_colors: int = _COLORS) -> dict[str, str]:
    """Return ``command`` and ``python``, which write the file that :func:`export` returns.

    The command is empty where no single command writes such a file.
    """
    ending = _check(kind, n_colors).ending
    out = answer.stem + ending
    return {
        "command": shlex.join(_command(answer, kind, out)),
        "python": "\n".join(["import jumpset as js", "", *_lines(answer, kind, out, n_colors)]),
    }


def _command(answer: Answer, kind: str, out: str) -> list[str]:
    name, n = answer.opened.name, answer.n_regions
    if answer.opened.shipped or kind.startswith("palette") or (n is None and kind not in _RASTERS):
        return []
    if n is None:
        command = ["jumpset", "smooth", name, out, "--method", answer.method]
        for key, value in answer.settings.items():
            command += ["--set", f"{key}={value}"]
        steps = _stopped_after(answer)
        return command if steps is None else [*command, "--max-steps", str(steps)]
    if kind in ("svg", "geojson"):
        return ["jumpset", "vectorize", name, out, "--regions", str(n)]
    command = ["jumpset", "tree", name, "--output", ".", "--regions", str(n)]
    if kind == "labels":
        return [*command, "--labels"]
    own = Path(name).suffix
    return command if own == f".{kind}" else [*command, "--format", kind]


def _lines(answer: Answer, kind: str, out: str, n_colors: int) -> list[str]:
    opened, n = answer.opened, answer.n_regions
    read = (
        f"js.io.Picture(js.datasets.{opened.shipped}())"
        if opened.shipped
        else f"js.io.read_picture({opened.name!r})"
    )
    lines = [f"picture = {read}"]
    if n is not None:
        lines.append("tree = js.RegionTree(picture.pixels, alpha=False)")
        flat, labels = f"tree.smooth(n_regions={n})", f"tree.labels(n_regions={n})"
    else:
        given = "".join(f", {key}={value!r}" for key, value in answer.settings.items())
        made = registry.method(answer.method, **answer.settings)
        if registry.with_tables(made, opened.tables) is not made:
            given += f", tables={opened.name!r}"
        steps = _stopped_after(answer)
        limit = "" if steps is None else f", max_steps={steps}"
        method = f"js.method({answer.method!r}{given})"
        lines.append(f"flat = js.run(picture.pixels, {method}, alpha=False{limit}).image")
        flat, labels = "flat", "js.regions.label(flat)"
    if kind in _RASTERS:
        return [*lines, f"js.io.write_picture({out!r}, picture.with_pixels({flat}))"]
    lines.append(f"labels = {labels}")
    if kind == "labels":
        small = '"uint16" if labels.max() < 2**16 else "uint32"'
        return [*lines, f"js.io.write_picture({out!r}, labels.astype({small}))"]
    if n is None:
        lines.append("picture = picture.with_pixels(flat)")
    alpha = opened.picture.alpha is not None
    given = f"labels, picture.samples(), {out!r}, alpha={alpha}"
    if kind == "svg":
        return [*lines, f"js.regions.to_svg({given}, title={opened.name!r})"]
    if kind == "geojson":
        return [*lines, f"js.regions.to_geojson({given})"]
    lines.append(f"few = js.regions.recolor(labels, picture.pixels, n_colors={n_colors}, alpha=False)")
    return [*lines, f"js.io.write_palette({out!r}, few.colors)"]


def _stopped_after(answer: Answer) -> int | None:
    """Return the number of steps of a run that was stopped, which a step limit gives again."""
    run = answer.run
    return run.n_steps if run is not None and run.status is Status.STOPPED else None
