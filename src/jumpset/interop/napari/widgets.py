"""The widgets of the plugin, built with magicgui; the work is done in a thread of napari."""

from __future__ import annotations

from typing import Any

from jumpset._core.errors import JumpsetError
from jumpset._core.optional import needs
from jumpset.interop.napari.arrays import PlaneTrees, smooth_layer
from jumpset.running import registry

with needs("jumpset[napari]"):
    import napari.viewer
    from magicgui.widgets import ComboBox, Container, Label, LineEdit, PushButton, Slider, create_widget
    from napari.layers import Image
    from napari.qt.threading import thread_worker

_PLACES = 1000  # of the slider


class _Tool(Container):
    """A layer, a button that starts the work, and a line that says how it goes."""

    def __init__(self, viewer: napari.viewer.Viewer, *rows: Any, start: str) -> None:
        self._viewer = viewer
        self.layer = create_widget(label="Layer", annotation=Image)
        self.start = PushButton(text=start)
        self.state = Label(value="")
        super().__init__(widgets=[self.layer, *rows, self.start, self.state])
        self.start.changed.connect(self._begin)

    def _begin(self) -> None:
        layer = self.layer.value
        if layer is None:
            self.state.value = "there is no image layer: open an image first"
            return
        data = layer.data[0] if layer.multiscale else layer.data
        try:
            work = self._work(data, is_rgb=bool(layer.rgb))
        except (JumpsetError, ValueError) as error:
            self.state.value = str(error)
            return
        worker = thread_worker(work)()
        worker.returned.connect(lambda answer: self._finish(layer, answer))
        worker.errored.connect(lambda error: setattr(self.state, "value", str(error)))
        worker.finished.connect(lambda: setattr(self.start, "enabled", True))
        self.start.enabled = False
        self.state.value = "running"
        worker.start()

    def _work(self, data: Any, *, is_rgb: bool) -> Any:
        raise NotImplementedError

    def _finish(self, layer: Any, answer: Any) -> None:
        raise NotImplementedError


class Smooth(_Tool):
    """Smooth a layer by any method; the answer is a new layer."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.method = ComboBox(label="Method", choices=[*registry.methods()], value="region-fusion")
        self.weight = LineEdit(label="Weight", value="", tooltip="larger is smoother; empty: the default")
        super().__init__(viewer, self.method, self.weight, start="Smooth")

    def _work(self, data: Any, *, is_rgb: bool) -> Any:
        method, text = self.method.value, self.weight.value.strip()
        settings: dict[str, Any] = {"weight": float(text)} if text else {}
        registry.method(method, **settings)  # raises before the thread

        def work() -> Any:
            return smooth_layer(data, method, is_rgb=is_rgb, **settings)

        return work

    def _finish(self, layer: Any, answer: Any) -> None:
        place = {"scale": layer.scale, "translate": layer.translate, "rgb": layer.rgb}
        if not layer.rgb:
            place |= {"colormap": layer.colormap, "contrast_limits": layer.contrast_limits}
        self._viewer.add_image(answer, name=f"{layer.name} {self.method.value}", **place)
        self.state.value = ""


class Regions(_Tool):
    """Labels of the regions of a layer; the slider sets how many."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.detail = Slider(label="Detail", min=0, max=_PLACES, value=400, enabled=False)
        self.count = Label(label="Regions", value="")
        self._trees: PlaneTrees | None = None
        self._labels: Any = None
        super().__init__(viewer, start="Find regions")
        self.extend([self.detail, self.count])
        self.detail.changed.connect(self._cut)

    def _work(self, data: Any, *, is_rgb: bool) -> Any:
        return lambda: PlaneTrees(data, is_rgb=is_rgb)

    def _finish(self, layer: Any, answer: PlaneTrees) -> None:
        self._trees, self._labels = answer, None
        self.detail.enabled = True
        place = {"scale": layer.scale[-layer.ndim :], "translate": layer.translate[-layer.ndim :]}
        labels = answer.labels(n_regions=self._n_regions(answer))
        self._labels = self._viewer.add_labels(labels, name=f"{layer.name} regions", **place)
        self._show(answer)

    def _n_regions(self, trees: PlaneTrees) -> int:
        """Equal steps of the slider are equal ratios."""
        return round(trees.n_leaves ** (self.detail.value / _PLACES))

    def _cut(self) -> None:
        if self._trees is not None and self._labels is not None:
            self._labels.data = self._trees.labels(n_regions=self._n_regions(self._trees))
            self._show(self._trees)

    def _show(self, trees: PlaneTrees) -> None:
        self.count.value = f"{self._n_regions(trees)} in each plane"
        self.state.value = ""
