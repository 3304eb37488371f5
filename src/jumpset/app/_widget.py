"""The class of the widget; this file alone imports anywidget."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import JumpsetError
from jumpset._core.optional import needs
from jumpset.app import packing
from jumpset.io import Picture
from jumpset.regions import RegionTree
from jumpset.running import registry
from jumpset.running.run import run

with needs("jumpset[notebook]"):
    import anywidget
    import traitlets

_STATIC = Path(__file__).parent / "static"
# A widget is one module: the imports of its parts go, and their exports are names of it.
_JOINTS = re.compile(r"^import .*\n|^export (?!default)", re.MULTILINE)


def _text(*names: str) -> str:
    return "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in names)


class Explorer(anywidget.AnyWidget):
    """What :func:`jumpset.explore` returns."""

    _esm = _JOINTS.sub("", _text("cut.js", "slider.js", "view.js", "widget.js"))
    _style = traitlets.Unicode(_text("stage.css", "widget.css")).tag(sync=True)
    _packed = traitlets.Bytes().tag(sync=True)
    _input = traitlets.Bytes().tag(sync=True)
    _methods = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _method = traitlets.Unicode("tree").tag(sync=True)
    n_regions = traitlets.Int().tag(sync=True)

    def __init__(self, image: np.ndarray, n_regions: int) -> None:
        self._tree = RegionTree(image)
        has_alpha = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 4
        self._picture = Picture(image[..., :3].copy(), image[..., 3].copy()) if has_alpha else Picture(image)
        self._image = image.copy()
        self._answer: np.ndarray | None = None
        self._settings: dict[str, Any] = {}
        super().__init__(
            n_regions=min(max(n_regions, self._tree.n_parts), self._most),
            _packed=packing.pack_tree(self._tree, self._picture),
            _input=packing.pack_image(self._picture.pixels, self._picture),
            _methods=[*registry.methods()],
        )
        self.on_msg(self._told)

    @property
    def tree(self) -> RegionTree:
        """The region tree of the image."""
        return self._tree

    @property
    def method(self) -> str:
        """The name of the method whose image is shown, or ``"tree"``."""
        return self._method

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of the method; of the tree the number of regions."""
        return {"n_regions": self.n_regions} if self._method == "tree" else dict(self._settings)

    @property
    def weight(self) -> float | None:
        """The weight of the method, or from which on the tree has so few regions; None where it has none."""
        if self._method == "tree":
            weights = self._tree.hierarchy(n_regions=self.n_regions + 1).weights
            return float(weights[0]) if self.n_regions < self._tree.n_leaves else 0.0
        return getattr(registry.method(self._method, **self._settings), "weight", None)

    @property
    def result(self) -> np.ndarray:
        """The image that is shown, in the shape and dtype of the input."""
        if self._method == "tree" or self._answer is None:
            return self._tree.smooth(n_regions=self.n_regions)
        return self._answer

    def run(self, method: str, **settings: Any) -> np.ndarray:
        """Run a method, show its image and return it; arguments are those of :func:`jumpset.method`."""
        result = run(self._image, registry.method(method, **settings))
        self._answer, self._settings, self._method = result.image, settings, method
        shown = result.image[..., :3] if self._picture.alpha is not None else result.image
        text = f"{method}: {result.n_steps} steps, {result.elapsed:.2f} s; {result.status.value}"
        self.send({"shown": text}, buffers=[packing.pack_image(shown, self._picture)])
        return result.image

    @property
    def _most(self) -> int:
        return min(self._tree.n_leaves, packing.FINEST)

    @traitlets.validate("n_regions")
    def _check_regions(self, proposal: Any) -> int:
        least, most, given = self._tree.n_parts, self._most, proposal["value"]
        if not least <= given <= most:
            raise traitlets.TraitError(f"n_regions must be from {least} to {most}, not {given}")
        return given

    @traitlets.observe("n_regions")
    def _cut(self, _: Any) -> None:
        self._method = "tree"

    def _told(self, _: Any, content: Any, __: Any) -> None:
        """Run what the page asks for; an error is shown there."""
        try:
            self.run(str(content["run"]), **content["settings"])
        except (JumpsetError, MemoryError, KeyError, TypeError) as error:
            self.send({"error": str(error)})
