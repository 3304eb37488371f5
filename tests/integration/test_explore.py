"""The widget: its model without a notebook, and its page in a real browser with a small host."""

import json

import numpy as np
import pytest

import jumpset as js


@pytest.fixture(scope="module")
def picture():
    return js.datasets.coffee()[100:160, 200:281]


def need_anywidget():
    pytest.importorskip("anywidget", reason="anywidget is not installed")


@pytest.fixture
def widget(picture):
    need_anywidget()
    return js.explore(picture, n_regions=40)


def test_the_setting_is_read_and_set(widget, picture):
    tree = js.RegionTree(picture)
    assert (widget.method, widget.n_regions, widget.settings) == ("tree", 40, {"n_regions": 40})
    np.testing.assert_array_equal(widget.result, tree.smooth(n_regions=40))
    np.testing.assert_array_equal(widget.tree.labels(n_regions=9), tree.labels(n_regions=9))
    widget.n_regions = 7
    np.testing.assert_array_equal(widget.result, tree.smooth(n_regions=7))
    assert tree.labels(weight=widget.weight).max() <= 7 < tree.labels(weight=0.999 * widget.weight).max()
    widget.n_regions = 60 * 81
    assert widget.weight == 0.0
    np.testing.assert_array_equal(widget.result, picture)


@pytest.mark.parametrize("wrong", [0, -1, 10**9, 1.5, "3", None])
def test_wrong_numbers_are_refused(widget, wrong):
    import traitlets

    with pytest.raises(traitlets.TraitError):
        widget.n_regions = wrong
    assert widget.n_regions == 40


def test_a_method_is_run(widget, picture):
    sent = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers))
    answer = widget.run("l0", weight=0.03)
    np.testing.assert_array_equal(answer, js.smooth(picture, "l0", weight=0.03))
    assert widget.result is answer
    assert (widget.method, widget.weight, widget.settings) == ("l0", 0.03, {"weight": 0.03})
    shown = np.frombuffer(sent[0][1][0], np.uint8).reshape(*picture.shape[:2], 4)
    np.testing.assert_array_equal(shown[..., :3], answer)
    widget._told(widget, {"run": "l0", "settings": {"weight": -1}}, [])
    assert "weight must be" in sent[1][0]["error"]
    widget._told(widget, {"run": "nothing", "settings": {}}, [])
    assert "unknown method" in sent[2][0]["error"]
    assert widget.method == "l0"
    widget.n_regions = 41
    assert widget.method == "tree"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1), np.uint8), np.zeros((3, 5), bool), np.linspace(0, 1, 60).reshape(6, 10),
        np.arange(120, dtype=np.uint8).reshape(5, 6, 4), np.arange(210, dtype=np.uint16).reshape(5, 6, 7) * 300,
    ],
)  # fmt: skip
def test_images_of_any_kind(image):
    need_anywidget()
    widget = js.explore(image)
    assert widget.result.shape == image.shape
    assert widget.result.dtype == image.dtype
    assert widget.n_regions <= image.shape[0] * image.shape[1]


@pytest.mark.parametrize(
    "image", [None, "file.png", np.zeros(3), np.zeros((2001, 2000), np.uint8), np.zeros((0, 3))]
)
def test_wrong_images_are_sentences(image):
    if isinstance(image, np.ndarray) and image.size == 0:
        need_anywidget()
    with pytest.raises(js.InputError):
        js.explore(image)


def test_without_anywidget_the_extra_is_named(monkeypatch, picture):
    import sys

    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "jumpset.app._widget", raising=False)
    with pytest.raises(js.MissingLibrary, match=r"jumpset\[notebook\]"):
        js.explore(picture)


HOST = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>host</title>
<body style="background:BACK;color:INK"><div id="cell"></div><script type="module">
import widget from "./widget.js";
const data = await (await fetch("./state.json")).json();
for (const name of ["_packed", "_input"]) data[name] = new DataView(await (await fetch(`./${name}`)).arrayBuffer());
const heard = {};
window.model = {
  data, sent: [], saved: 0,
  get: (name) => data[name],
  set: (name, value) => { if (data[name] !== value) { data[name] = value; heard[`change:${name}`]?.forEach((f) => f()); } },
  save_changes: () => { window.model.saved += 1; },
  on: (name, f) => { (heard[name] ??= []).push(f); },
  off: (name, f) => { heard[name] = (heard[name] ?? []).filter((g) => g !== f); },
  send: (content) => { window.model.sent.push(content); },
  tell: (content, buffers) => heard["msg:custom"].forEach((f) => f(content, buffers)),
  heard,
};
window.done = await widget.render({ model: window.model, el: document.getElementById("cell") });
window.ready = true;
</script>"""


@pytest.mark.slow
class TestPage:
    @pytest.fixture
    def page(self, widget, browser, serve, tmp_path):
        names = ("_method", "n_regions", "_style", "_methods")
        (tmp_path / "state.json").write_text(json.dumps({name: getattr(widget, name) for name in names}))
        (tmp_path / "widget.js").write_text(str(widget._esm))
        for name in ("_packed", "_input"):
            (tmp_path / name).write_bytes(getattr(widget, name))
        (tmp_path / "index.html").write_text(HOST.replace("BACK", "#fff").replace("INK", "#000"))
        (tmp_path / "dark.html").write_text(HOST.replace("BACK", "#111").replace("INK", "#eee"))
        with serve(tmp_path) as address:
            page = browser.new_page(viewport={"width": 900, "height": 700})
            said = []
            page.on(
                "console",
                lambda message: (
                    said.append(message.text) if "willReadFrequently" not in message.text else None
                ),
            )
            page.on("pageerror", lambda error: said.append(str(error)))
            page.address = address
            page.goto(page.address)
            page.wait_for_function("window.ready")
            yield page
            assert said == []
            page.close()

    def shown(self, page, picture):
        levels = page.evaluate(
            """() => { const c = document.getElementById("cell").shadowRoot.getElementById("after");
            return [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]; }"""
        )
        return np.array(levels, np.uint8).reshape(*picture.shape[:2], 4)[..., :3]

    def test_the_slider_and_python_agree(self, page, picture):
        tree = js.RegionTree(picture)
        np.testing.assert_array_equal(self.shown(page, picture), tree.smooth(n_regions=40))
        page.focus("#slider")
        for _ in range(30):
            page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(300)
        n = page.evaluate("model.data.n_regions")
        assert n < 40
        assert page.evaluate("model.saved") > 0
        np.testing.assert_array_equal(self.shown(page, picture), tree.smooth(n_regions=n))
        page.evaluate("model.set('n_regions', 500)")  # as Python does
        np.testing.assert_array_equal(self.shown(page, picture), tree.smooth(n_regions=500))
        assert page.input_value("#regions") == "500"

    def test_a_method_is_asked_for_and_shown(self, page, picture):
        page.select_option("#method", "l0")
        page.fill("#strength", "0,03")
        page.get_by_role("button", name="Run").click()
        assert page.evaluate("model.sent") == [{"run": "l0", "settings": {"weight": 0.03}}]
        page.evaluate(
            """() => { const bytes = new Uint8Array(60 * 81 * 4).fill(255); bytes[0] = 7;
            model.data._method = "l0"; model.tell({ shown: "l0: done" }, [new DataView(bytes.buffer)]); }"""
        )
        assert self.shown(page, picture)[0, 0].tolist() == [7, 255, 255]
        assert page.inner_text("#state") == "l0: done"
        page.evaluate("model.tell({ error: 'the weight is wrong' }, [])")
        assert page.inner_text("#state") == "the weight is wrong"
        page.fill("#regions", "41")
        page.press("#regions", "Enter")
        page.wait_for_timeout(200)
        assert page.evaluate("model.data._method") == "tree"

    def test_it_takes_the_theme_of_its_page_and_leaves_nothing(self, page):
        assert page.evaluate("getComputedStyle(document.getElementById('cell')).colorScheme") == "light"
        page.evaluate("window.done()")
        assert page.evaluate("Object.values(model.heard).flat().length") == 0
        page.goto(page.address + "dark.html")
        page.wait_for_function("window.ready")
        assert page.evaluate("getComputedStyle(document.getElementById('cell')).colorScheme") == "dark"
