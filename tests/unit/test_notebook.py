"""What notebooks show of a result and of a region tree."""

import html.parser
import re
import sys

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.io.notebook import card


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def images_of(text):
    return [attrs for tag, attrs in Tags(text).tags if tag == "img"]


@pytest.fixture(scope="module")
def picture():
    return js.datasets.coffee()[100:140, 200:260]


def test_a_result_shows_before_and_after(picture):
    result = js.run(picture, js.method("tv", weight=0.1))
    assert result.source is picture
    text = result._repr_html_()
    shown = images_of(text)
    assert [attrs["alt"] for attrs in shown] == ["Before", "After"]
    assert {(attrs["width"], attrs["height"]) for attrs in shown} == {("60", "40")}
    assert shown[0]["src"] != shown[1]["src"]
    assert "TV(" in text
    assert result.status.value.split("'")[0] in text
    assert f"{result.gap:.6g}" in text
    assert "<script" not in text


def test_a_tree_shows_a_cut(picture):
    tree = js.RegionTree(picture)
    text = tree._repr_html_()
    assert [attrs["alt"] for attrs in images_of(text)] == ["Before", "200 regions"]
    weight = float(re.search(r"weight of 200 regions</span> ([\d.e-]+)", text)[1])
    assert tree.labels(weight=1.01 * weight).max() <= 200


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 1, 1), (7, 9, 5), (9, 8, 2)])
def test_a_tree_of_any_size(shape):
    assert len(images_of(js.RegionTree(np.random.default_rng(0).random(shape))._repr_html_())) == 2


def test_a_tree_with_channels_first(picture):
    tree = js.RegionTree(np.moveaxis(picture, -1, 0).copy(), channel_axis=0)
    assert images_of(tree._repr_html_())[0]["width"] == "60"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.bfloat16])
def test_the_first_of_a_batch_of_tensors(dtype):
    x = torch.zeros(2, 3, 20, 30)
    x[0, :, :, 15:] = 1
    result = js.run((x * (255 if dtype == torch.uint8 else 1)).to(dtype), js.method("l0", weight=0.01))
    assert [attrs["width"] for attrs in images_of(result._repr_html_())] == ["30", "30"]


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (np.zeros((20, 30), bool), ("30", "20")),
        (np.zeros((20, 30, 64), np.float32), ("30", "20")),
        (np.full((20, 30), 7, np.int16), ("30", "20")),
        (np.zeros((3000, 20), np.uint8), ("3", "480")),
    ],
)
def test_arrays_of_any_kind(image, size):
    (shown,) = images_of(card({"one": image}, {}))
    assert (shown["width"], shown["height"]) == size


@pytest.mark.parametrize(
    "image", [None, "text", np.zeros(4), np.array([[np.nan]]), np.zeros((2, 2), complex), np.zeros((0, 3))]
)
def test_what_is_no_image_is_left_out(image):
    text = card({"one": image}, {"<b>": "<script>&"})
    assert images_of(text) == []
    assert "&lt;script&gt;&amp;" in text


def test_the_output_of_a_cell_stays_small():
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    assert len(card({"a": noise, "b": noise}, {})) < 3_000_000


def test_without_pillow_the_text_is_shown(monkeypatch, picture):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert card({"one": picture}, {}) is None


def test_a_result_of_a_file_shows_the_file_while_it_is_there(tmp_path):
    path = tmp_path / "in.png"
    js.io.write_picture(path, np.random.default_rng(0).integers(0, 255, (9, 11, 3), np.uint8))
    result = js.run(path, js.method("region-fusion"))
    assert result._repr_html_().count("<img") == 2
    path.unlink()
    assert result._repr_html_().count("<img") == 1
