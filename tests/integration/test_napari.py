"""The napari plugin: what it computes, its manifest, and its widgets where napari and a Qt binding are installed.

The pytest plugins of napari and npe2 warn when they are loaded: there, run pytest with ``-W default``.
"""

import importlib
import time
from importlib.resources import files

import numpy as np
import pytest

import jumpset as js
from jumpset.interop.napari import PlaneTrees, smooth_layer

PICTURE = js.datasets.coffee()[100:130, 200:241]


@pytest.mark.parametrize("method", ["region-fusion", "tv", "l0"])
def test_a_plane_is_smoothed_as_by_the_package(method):
    np.testing.assert_array_equal(
        smooth_layer(PICTURE, method, is_rgb=True, weight=0.05), js.smooth(PICTURE, method, weight=0.05)
    )
    gray = PICTURE[..., 1]
    np.testing.assert_array_equal(
        smooth_layer(gray, method, weight=0.05), js.smooth(gray, method, weight=0.05)
    )


def test_opacity_is_kept():
    clear = np.dstack([PICTURE, PICTURE[..., :1]])
    answer = smooth_layer(clear, "l0", is_rgb=True, weight=0.05)
    np.testing.assert_array_equal(answer[..., 3], clear[..., 3])
    np.testing.assert_array_equal(answer[..., :3], js.smooth(PICTURE, "l0", weight=0.05))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, ">u2"])
@pytest.mark.parametrize("shape", [(4, 9, 11), (2, 3, 9, 11)])
def test_stacks_keep_shape_and_dtype(dtype, shape):
    data = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    seen = []
    answer = smooth_layer(data, "region-fusion", weight=0.3, progress=seen.append)
    assert (answer.shape, answer.dtype) == (shape, np.dtype(dtype).newbyteorder("="))
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    assert answer.std() < 0.9 * data.std()


def test_a_volume_is_one_image_where_the_method_can():
    data = np.random.default_rng(0).random((5, 8, 9))
    info = js.methods()["tv"]
    answer = smooth_layer(data, "tv", weight=0.1)
    if 3 in info.cls.spatial_ndims:
        import torch

        volume = js.smooth(torch.from_numpy(data)[None, None], "tv", weight=0.1)[0, 0].numpy()
        np.testing.assert_allclose(answer, volume, atol=1e-12)
    else:
        planes = np.stack([js.smooth(plane, "tv", weight=0.1) for plane in data])
        np.testing.assert_array_equal(answer, planes)


@pytest.mark.parametrize("shape", [(9, 11), (3, 9, 11), (2, 2, 9, 11)])
def test_labels_of_planes(shape):
    data = np.random.default_rng(0).random(shape)
    labels = PlaneTrees(data).labels(n_regions=7)
    assert labels.shape == shape
    planes = labels.reshape(-1, 9, 11)
    for k, plane in enumerate(planes):
        expected = js.RegionTree(data.reshape(-1, 9, 11)[k]).labels(n_regions=7)
        np.testing.assert_array_equal(plane, expected + 7 * k)
    assert PlaneTrees(data).labels(weight=1e9).max() == len(planes)
    assert PlaneTrees(np.stack([data] * 3, -1), is_rgb=True).labels(n_regions=5).shape == shape


@pytest.mark.parametrize(
    ("data", "is_rgb"),
    [
        (np.zeros(5), False),
        (np.zeros((5, 5, 2)), True),
        (np.zeros((0, 5)), False),
        (np.zeros((5, 5), complex), False),
        ([["a"]], False),
    ],
)
def test_wrong_layers_are_sentences(data, is_rgb):
    for build in (smooth_layer, PlaneTrees):
        with pytest.raises(js.InputError, match="layer"):
            build(data, is_rgb=is_rgb)
    with pytest.raises(js.InputError):
        smooth_layer(np.zeros((5, 5)), "nothing")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of npe2, with the newest pydantic
def test_the_manifest_names_what_exists():
    npe2 = pytest.importorskip("npe2", reason="npe2 is not installed")
    manifest = npe2.PluginManifest.from_file(files("jumpset.interop.napari") / "napari.yaml")
    assert manifest.name == "jumpset"
    assert {widget.display_name for widget in manifest.contributions.widgets} == {"Smooth", "Regions"}
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        source = files("jumpset.interop.napari") / f"{module.rpartition('.')[2]}.py"
        assert f"class {name}(" in source.read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestWidgets:
    @pytest.fixture
    def viewer(self, monkeypatch):
        monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
        pytest.importorskip("qtpy", reason="no Qt binding is installed", exc_type=ImportError)
        pytest.importorskip("napari", reason="napari is not installed")
        from napari.components import ViewerModel

        return ViewerModel()

    def finish(self, tool):
        from qtpy.QtWidgets import QApplication

        for _ in range(2000):
            QApplication.processEvents()
            if tool.start.enabled:
                return
            time.sleep(0.01)
        raise AssertionError(tool.state.value)

    def tool(self, viewer, name, data, **options):
        from qtpy.QtWidgets import QApplication

        self.application = QApplication.instance() or QApplication([])
        tool = getattr(importlib.import_module("jumpset.interop.napari.widgets"), name)(viewer)
        tool.start.changed.emit(True)
        assert "no image layer" in tool.state.value
        layer = viewer.add_image(data, **options)
        tool.layer.choices = [layer]
        tool.layer.value = layer
        return tool

    def test_smooth(self, viewer):
        tool = self.tool(viewer, "Smooth", PICTURE, rgb=True, scale=(2, 3))
        tool.method.value, tool.weight.value = "l0", "-1"
        tool.start.changed.emit(True)
        assert "weight must be" in tool.state.value
        tool.weight.value = "0.05"
        tool.start.changed.emit(True)
        self.finish(tool)
        made = viewer.layers[-1]
        np.testing.assert_array_equal(made.data, js.smooth(PICTURE, "l0", weight=0.05))
        assert tuple(made.scale) == (2, 3)

    def test_regions(self, viewer):
        stack = np.moveaxis(PICTURE, -1, 0).copy()
        tool = self.tool(viewer, "Regions", stack, scale=(5, 2, 2))
        tool.start.changed.emit(True)
        self.finish(tool)
        made = viewer.layers[-1]
        assert made.data.shape == stack.shape
        assert tuple(made.scale) == (5, 2, 2)
        for place in (0, 700, 1000):
            tool.detail.value = place
            n = round((30 * 41) ** (place / 1000))
            np.testing.assert_array_equal(made.data, PlaneTrees(stack).labels(n_regions=n))
            assert tool.count.value == f"{n} in each plane"
