import html.parser
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import jumpset as js
from jumpset._core.errors import FileError, InputError
from jumpset.datasets import add_noise, shapes
from jumpset.io.display import display_for, png_uri
from jumpset.report import comparison_page, write_report
from jumpset.report._curves import chart, linear_ticks, log_ticks, tick_labels

NASTY = """<b> & "quotes' </script><script>alert(1)</script>.png"""
VOID = {"meta", "img", "input", "br"}


class Page(html.parser.HTMLParser):
    """Fails on tags that do not close in order; collects tags and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):  # of SVG
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self):
        return "\n".join(self.words)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def picture(seed=0, *, height=40, width=52, channels=3):
    clean = shapes(height, width, channels=channels, seed=seed)
    return to_bytes(add_noise(clean, 0.06, seed=seed)), to_bytes(clean)


def to_bytes(values):
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    noisy, truth = picture()
    results = {name: js.run(noisy, js.method(name)) for name in ("region-fusion", "l0")}
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, results, picture=noisy, truth=truth, name=NASTY, command=f"jumpset compare '{NASTY}'")
    return path, results, noisy, truth


def test_page_is_well_formed_and_self_contained(compared):
    text = compared[0].read_text()
    page = Page(text)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert page.all("link") == []
    loaded = [a[key] for _, a in page.tags for key in ("src", "href", "srcset", "data") if key in a]
    assert loaded
    assert all(address.startswith("data:image/png;base64,") for address in loaded)
    assert "default-src 'none'" in page.all("meta")[1]["content"]
    assert len(page.all("script")) == 1


def test_texts_are_escaped(compared):
    text = compared[0].read_text()
    assert "<script>alert" not in text
    page = Page(text)
    assert NASTY in page.text
    assert len(page.all("b")) == len([a for a in page.all("img") if "data-name" in a])


def test_page_has_the_scores_and_settings(compared):
    _, results, noisy, truth = compared
    page = Page(compared[0].read_text())
    for label, result in results.items():
        assert f"{js.metrics.psnr(result.image, truth):.2f}" in page.text
        assert f"{js.metrics.ssim_volume(result.image, truth):.4f}" in page.text
        weight = result.method.weight
        assert f"{js.metrics.energy_pix(result.image, noisy, weight):.6g}" in page.text
        assert f"{js.metrics.energy_edge(noisy, noisy, weight):.6g}" in page.text
        assert label in page.text
    for word in ("52 × 40 pixels", "uint8", js.__version__, np.__version__, "platform", "kappa", "levels"):
        assert word in page.text
    assert {a["data-name"] for a in page.all("img") if "data-name" in a} == {"Input", "Truth", *results}
    assert len([a for a in page.all("figure") if a.get("class") == "chart"]) == 4  # energy and another, twice


def test_images_are_embedded_unchanged(compared):
    import base64
    import io

    from PIL import Image

    _, results, noisy, truth = compared
    page = Page(compared[0].read_text())
    shown = {a["data-name"]: a["src"] for a in page.all("img") if "data-name" in a}
    arrays = {"Input": noisy, "Truth": truth, **{k: r.image for k, r in results.items()}}
    for name, array in arrays.items():
        decoded = Image.open(io.BytesIO(base64.b64decode(shown[name].partition(",")[2])))
        np.testing.assert_array_equal(np.asarray(decoded), array)


def test_landmarks_and_headers(compared):
    text = compared[0].read_text()
    page = Page(text)
    for tag in ("header", "main", "footer", "h1"):
        assert len(page.all(tag)) == 1, tag
    assert re.findall(r"<h2[^>]*>([^<]*)", text)[:3] == ["Before and after", "Results", "Images"]
    assert not re.search(r"<th[^>]*></th>", text)
    assert {a["scope"] for a in page.all("th")} == {"row", "col"}
    named = {a["aria-labelledby"] for a in page.all("section") if "aria-labelledby" in a}
    assert named <= {a["id"] for a in page.all("h2") if "id" in a}
    # a phone shows the first two columns
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)', text)[:2] == ["image", "status"]


def test_one_method_without_truth(tmp_path):
    noisy, _ = picture()
    path = write_report(tmp_path / "one.html", js.run(noisy, js.method("l0"), max_steps=3), picture=noisy)
    page = Page(path.read_text())
    assert "PSNR" not in page.text
    assert page.all("input") == [a for a in page.all("input") if a["type"] == "range"]  # no tabs
    assert js.Status.MAX_STEPS.value in page.text


def test_size_stays_small(tmp_path):
    noisy, _ = picture(height=384, width=512)
    path = write_report(tmp_path / "r.html", js.run(noisy, js.method("region-fusion")), picture=noisy)
    assert path.stat().st_size < 3_000_000


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (picture()[0][..., 0], "gray"),
        (picture()[0].astype(np.uint16) * 16, "Shown with"),  # 12 bits in 16
        (picture()[0].astype(np.float32) / 255, "float32"),
        (picture()[0][..., :1] > 99, "bool"),
        (picture()[0][..., :2], "the first is shown"),
        (np.concatenate([picture()[0]] * 2, axis=2), "the first three are shown"),
        (np.dstack([picture()[0], picture()[0][..., 0]]), "alpha channel"),
        (picture()[0].astype(np.float64) / 127 - 0.7, "Shown with"),
        (np.zeros((1, 7), dtype=np.uint8), "7 × 1 pixels"),
        (np.zeros((1, 1), dtype=np.float32), "1 × 1 pixels"),
        (picture()[0].astype(np.int16) * 10, "Shown with"),
    ],
    ids=lambda v: f"{v.dtype}{v.shape}" if isinstance(v, np.ndarray) else None,
)
@pytest.mark.filterwarnings("ignore::jumpset._core.errors.RangeWarning")
def test_every_kind_of_image(tmp_path, array, says):
    path = write_report(
        tmp_path / "r.html", js.run(array, js.method("region-fusion")), picture=array, truth=array
    )
    assert says in Page(path.read_text()).text


def test_large_images_are_reduced(tmp_path):
    array = np.zeros((4, 3201), dtype=np.uint8)
    array[:, ::2] = 200
    path = write_report(tmp_path / "r.html", js.run(array, js.method("region-fusion")), picture=array)
    page = Page(path.read_text())
    assert "50 %" in page.text
    assert all(int(a["width"]) == 1600 for a in page.all("img") if "src" in a)


def test_differences_and_gradients():
    f = np.full((3, 4), 100, dtype=np.uint8)
    u = f.copy()
    u[1, 1] = 110
    display = display_for(f)
    assert display.difference(u, f, 4)[1, 1] == 128 + 40
    assert display.difference(f, f, 4).tolist() == np.full((3, 4), 128).tolist()
    assert display.gradient(u, 2)[1].tolist() == [20, round(2 * np.hypot(10, 10)), 0, 0]
    assert display.difference_factor([np.full_like(f, 110)], f) == 8  # 80 fits, 160 does not
    assert display.difference_factor([f], f) == 64


def test_old_report_survives_a_failure(tmp_path, monkeypatch):
    noisy, _ = picture()
    result = js.run(noisy, js.method("l0"), max_steps=1)
    path = tmp_path / "r.html"
    path.write_text("old")

    def fails(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.write_text", fails)
    with pytest.raises(FileError, match="no space left"):
        write_report(path, result, picture=noisy)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_wrong_arguments(tmp_path):
    noisy, _ = picture()
    result = js.run(noisy, js.method("l0"), max_steps=1)
    path = tmp_path / "r.html"
    for wrong in (tmp_path / "r.txt", tmp_path / "no" / "r.html", "", "a\0.html"):
        with pytest.raises(FileError):
            write_report(wrong, result, picture=noisy)
    with pytest.raises(InputError, match="needs a result"):
        write_report(path, {}, picture=noisy)
    for name in ("Input", "Truth", " ", 3):
        with pytest.raises(InputError, match="non-empty name"):
            write_report(path, {name: result}, picture=noisy)
    for other in (noisy[:5], noisy[..., 0], noisy.astype(float)):
        with pytest.raises(InputError, match="one shape and dtype"):
            write_report(path, result, picture=other)
        with pytest.raises(InputError, match="one shape and dtype"):
            write_report(path, result, picture=noisy, truth=other)
    for other in (None, noisy[None], noisy[:0], np.full((4, 4), np.nan)):
        with pytest.raises(InputError):
            write_report(path, result, picture=other)
    assert not path.exists()


def test_charts():
    assert chart("energy", [0], [1.0]) == ""
    assert chart("energy", [0, 1], [1.0, np.nan]) == ""
    assert "logarithmic" in chart("gap", [0, 10, 20], [1.0, 0.1, 1e-5])
    assert "logarithmic" not in chart("gap", [0, 10, 20], [1.0, 0.1, 0.0])
    Page(chart("<loss> & more", [0, 1, 2], [3.0, 3.0, 3.0]))
    many = chart("loss", list(range(100_000)), [float(np.sin(k)) for k in range(100_000)])
    assert len(many) < 20_000


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.003, 0.0031), (1938.2, 6491), (-5, 7e6), (3, 3), (0, 0), (1e-9, 4e-9)]
)
def test_ticks_are_few_and_distinct(low, high):
    ticks = linear_ticks(low, high, enclose=True)
    assert ticks[0] <= low + 1e-9 * abs(low)
    assert ticks[-1] >= high - 1e-9 * abs(high)
    assert 3 <= len(ticks) <= 10
    texts = tick_labels(ticks, log=False)
    assert len(set(texts)) == len(ticks)
    assert max(map(len, texts)) <= 9
    np.testing.assert_allclose([float(t) for t in texts], ticks, rtol=1e-6, atol=1e-12)


def test_log_ticks():
    assert log_ticks(0.02, 30) == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert len(log_ticks(1e-30, 1e5)) <= 8
    assert tick_labels([1e-5, 0.01, 1.0, 1e6], log=True) == ["1e-5", "0.01", "1", "1e6"]


def test_png_addresses():
    uri, width, height = png_uri(np.zeros((5, 9), dtype=np.uint8))
    assert uri.startswith("data:image/png;base64,")
    assert (width, height) == (9, 5)


def test_the_finite_part_of_a_diverged_history_is_drawn(tmp_path):
    noisy, _ = picture()
    result = js.run(noisy, js.method("l0"), max_steps=4)
    result.history["energy"][-1] = float("nan")
    result = replace(result, status=js.Status.DIVERGED)
    page = Page(write_report(tmp_path / "r.html", result, picture=noisy).read_text())
    assert js.Status.DIVERGED.value in page.text
    assert "nan" not in page.text


# in a browser

CHROMIUM = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")) if p), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def browse(address, profile, *options):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        "--force-device-scale-factor=1", f"--user-data-dir={profile}", "--virtual-time-budget=2000", *options, address,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@needs_browser
def test_divider_moves_in_a_browser(compared, tmp_path):
    def page(fragment):
        done = browse(f"{compared[0].as_uri()}{fragment}", tmp_path, "--dump-dom", "--enable-logging=stderr")
        assert "Uncaught" not in done.stderr
        assert "Refused" not in done.stderr
        return Page(done.stdout)

    def cut(page):
        return re.search(
            r"--cut: ?([\d.]+)%", next(a for a in page.all("div") if a.get("id") == "sheet")["style"]
        )[1]

    first = page("")
    assert first.all("html")[0]["data-ready"] == "true"
    assert cut(first) == "50"
    assert "hidden" not in next(a for a in first.all("section") if a.get("id") == "viewer")
    second = page("#slider=25&method=l0&left=Truth&zoom=2")
    assert cut(second) == "25"
    pictures = {a["data-name"]: a["src"] for a in second.all("img") if "data-name" in a}
    shown = {a["id"]: a["src"] for a in second.all("img") if "id" in a}
    assert shown == {"under": pictures["Truth"], "over": pictures["l0"]}
    details = {a["data-name"]: "hidden" in a for a in second.all("section") if a.get("class") == "detail"}
    assert details == {"region-fusion": True, "l0": False}
    # an invalid state changes nothing
    assert cut(page("#slider=<b>&method=nothing&left=nothing&zoom=9")) == "50"


@needs_browser
def test_phone_has_no_horizontal_scroll_and_a_working_slider(compared, tmp_path):
    # windows have a minimal width, frames have none
    probe = tmp_path / "probe.html"
    probe.write_text(
        '<iframe id="f" style="width:375px;height:800px;border:0" srcdoc=""></iframe><script>'
        "f.onload = () => { const p = f.contentDocument, d = p.documentElement, cut = p.getElementById('cut');"
        " cut.value = 75; cut.dispatchEvent(new Event('input'));"
        " const at = p.getElementById('sheet').style.getPropertyValue('--cut');"
        ' document.title = [d.scrollWidth, d.clientWidth, d.dataset.ready, at].join(" "); };'
        "f.srcdoc = decodeURIComponent(escape(atob('PAGE')));</script>".replace("PAGE", encoded(compared[0]))
    )
    done = browse(probe.as_uri(), tmp_path / "profile", "--dump-dom")
    title = re.search("<title>(.*?)</title>", done.stdout)[1]
    assert title == "375 375 true 75%"


@pytest.mark.slow
def test_an_enlarged_image_is_dragged_and_the_status_is_seen_on_a_phone(browser, tmp_path):
    noisy, _ = picture(height=150, width=200)
    path = write_report(tmp_path / "r.html", js.run(noisy, js.method("l0"), max_steps=2), picture=noisy)
    page = browser.new_page(viewport={"width": 390, "height": 500})
    page.goto(f"{path.as_uri()}#zoom=4")
    status = page.get_by_role("columnheader", name="status").bounding_box()
    assert status["x"] + status["width"] < 390
    page.evaluate("document.getElementById('stage').scrollTo(20, 20)")
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + 230, box["y"] + 60
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 31, y - 5, steps=4)
    page.mouse.up()
    moved = page.evaluate(
        "(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop])(document.getElementById('stage'))"
    )
    assert moved == pytest.approx([51, 25], abs=1)
    assert page.input_value("#cut") == "50"
    page.evaluate("document.getElementById('stage').scrollTo(200, 0)")  # the divider is at 400
    page.mouse.move(box["x"] + 201, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 281, y, steps=4)
    page.mouse.up()
    assert float(page.input_value("#cut")) == pytest.approx(60, abs=0.5)
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(compared, browser, serious_findings, tmp_path, scheme):
    rows = [["tv", "25.0"], ["l0", "24.0"]]
    points = {"tv": (0.1, 25.0), "l0": (0.2, 24.0)}
    images = {"shapes": {"Input": compared[2], "tv": compared[3]}}
    page_of_a_comparison = comparison_page(
        "Mine", ["method", "dB"], rows, {"tv": "dB"}, points, images, command="jumpset bench"
    )
    (tmp_path / "comparison.html").write_text(page_of_a_comparison)
    for path in (compared[0], tmp_path / "comparison.html"):
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            page.goto(path.as_uri())
            assert serious_findings(page) == [], (path.name, width)
            page.close()


@needs_browser
def test_screenshot_shows_the_images(compared, tmp_path):
    from PIL import Image

    shot = tmp_path / "shot.png"
    browse(compared[0].as_uri(), tmp_path / "profile", f"--screenshot={shot}", "--window-size=1200,1600")
    pixels = np.asarray(Image.open(shot).convert("RGB"))
    assert pixels.shape == (1600, 1200, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def encoded(path):
    import base64

    return base64.b64encode(path.read_bytes()).decode()


def test_report_is_imported_without_image_libraries():
    code = "import sys, jumpset.report; print([m for m in ('PIL', 'torch', 'rich', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
