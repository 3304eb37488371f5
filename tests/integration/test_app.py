"""The app: what its server answers and refuses, and the page in a real browser."""

import ast
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from urllib.error import HTTPError
from urllib.parse import quote, unquote
from urllib.request import Request, urlopen

import numpy as np
import pytest
import typer.testing
from PIL import Image

import jumpset as js
from jumpset.cli.app import app as command_line

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


class Client:
    """Requests to the app, as the page makes them."""

    def __init__(self, address):
        self.address = address.split("#")[0]
        self.origin = self.address.rsplit("/", 2)[0]

    def ask(self, path, body=None, **headers):
        headers = {"Origin": self.origin} | {k.replace("_", "-"): v for k, v in headers.items()}
        with urlopen(Request(self.address + path, data=body, headers=headers), timeout=300) as answer:
            return answer.read(), answer.headers

    def json(self, path, body=None):
        return json.loads(self.ask(path, body)[0])

    def post(self, path, **fields):
        return self.json(path, json.dumps(fields).encode())

    def refused(self, path, body=None, **headers):
        with pytest.raises(HTTPError) as caught:
            self.ask(path, body, **headers)
        with caught.value as answer:
            return answer.code, answer.read().decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app") / "pictures"
    folder.mkdir()
    js.io.write_picture(folder / "small & odd <1>.png", js.datasets.coffee()[100:160, 200:281])
    js.io.write_picture(
        folder / "gray.png", js.datasets.coffee()[100:140, 200:250, 1].astype(np.uint16) * 257
    )
    art = js.datasets.coffee()[60:125, 130:211]
    js.io.write_picture(folder / "art.jpg", art)
    alpha = np.full(art.shape[:2], 255, np.uint8)
    alpha[:20] = 0
    js.io.write_picture(folder / "clear.png", js.io.Picture(art, alpha))
    (folder.parent / "secret.png").write_bytes((folder / "gray.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def client(folder):
    command = [sys.executable, "-m", "jumpset", "app", str(folder), "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        address = re.search(r"http://\S+", process.stderr.readline())[0]
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        reader.start()
        for _ in range(100):
            try:
                Client(address).ask("")
                break
            except OSError:
                time.sleep(0.1)
        yield Client(address)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)


@pytest.fixture
def picture(folder):
    return js.io.read_picture(folder / "small & odd <1>.png").pixels


@pytest.fixture
def opened(client):
    return client.json("api/images?file=" + quote("small & odd <1>.png"), b"")["key"]


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def finished(client, key):
    for _ in range(600):
        state = client.json(f"api/runs/{key}")
        if state["state"] in ("done", "failed"):
            return state
        time.sleep(0.05)
    raise AssertionError(state)


def test_the_page_loads_nothing_from_elsewhere(client):
    page, headers = client.ask("")
    assert b"<main>" in page
    assert "default-src 'none'" in headers["content-security-policy"]
    for name in ("app.js", "app.css", "view.js", "cut.js", "tree.worker.js"):
        text = client.ask(f"static/{name}")[0].decode()
        assert "http://" not in text
        assert "https://" not in text


def test_every_method_is_described(client):
    about = client.json("api/about")
    assert [m["name"] for m in about["methods"]] == [*js.methods()]
    assert about["files"] == ["art.jpg", "clear.png", "gray.png", "small & odd <1>.png"]
    for row in about["methods"]:
        for parameter in row["parameters"]:
            assert parameter["default"] == js.methods()[row["name"]].defaults[parameter["name"]]
            assert parameter["help"], (row["name"], parameter["name"])


def export(client, image, source, kind, colors=16):
    body = json.dumps({"image": image, "source": source, "format": kind, "colors": colors}).encode()
    data, headers = client.ask("api/export", body)
    return data, unquote(headers["content-disposition"].split("''")[1])


def test_an_export_is_the_answer_of_the_package(client, opened, picture):
    data, name = export(client, opened, {"n_regions": 40}, "png")
    np.testing.assert_array_equal(pixels_of(data), js.RegionTree(picture).smooth(n_regions=40))
    assert name == "small & odd <1>-regions-40.png"


def test_a_run_is_the_answer_of_the_package(client, opened, picture):
    key = client.post("api/runs", image=opened, method="l0", settings={"weight": 0.03})["key"]
    assert finished(client, key)["state"] == "done"
    source = {"run": key, "method": "l0", "settings": {"weight": 0.03}}
    data, _ = export(client, opened, source, "webp")
    np.testing.assert_array_equal(pixels_of(data), js.smooth(picture, "l0", weight=0.03))
    shown = np.frombuffer(client.ask(f"api/runs/{key}/pixels")[0], np.uint8).reshape(*picture.shape[:2], 4)
    np.testing.assert_array_equal(shown[..., :3], pixels_of(data))


CUT = {"n_regions": 25}


def by_command(code, folder, monkeypatch):
    """Run a command of the page in this process, in the folder."""
    program, *arguments = shlex.split(code["command"])
    assert program == "jumpset"
    monkeypatch.chdir(folder)
    outcome = typer.testing.CliRunner().invoke(command_line, arguments)
    assert outcome.exit_code == 0, outcome.output


def by_python(code, folder, monkeypatch):
    monkeypatch.chdir(folder)
    exec(code["python"], {})


@pytest.mark.parametrize("name", ["small & odd <1>.png", "gray.png", "clear.png", "art.jpg"])
@pytest.mark.parametrize(
    "kind",
    ["png", "tif", "webp", "jpg", "svg", "geojson", "labels", "palette-png", "palette-gpl", "palette-json"],
)
def test_command_and_python_write_the_export(client, folder, tmp_path, monkeypatch, name, kind):
    image = client.json("api/images?file=" + quote(name), b"")["key"]
    code = client.post("api/code", image=image, source=CUT, format=kind, colors=7)
    if (
        name in ("gray.png", "clear.png")
        and kind in ("jpg", "webp")
        and (name, kind) != ("clear.png", "webp")
    ):
        body = json.dumps({"image": image, "source": CUT, "format": kind, "colors": 7}).encode()
        assert client.refused("api/export", body)[0] == 400  # 16 bits, or alpha
        return
    data, written = export(client, image, CUT, kind, colors=7)
    assert (code["command"] == "") == kind.startswith("palette")
    for write, folder_of in ((by_python, tmp_path / "python"), (by_command, tmp_path / "command")):
        if write is by_command and not code["command"]:
            continue
        folder_of.mkdir()
        shutil.copy(folder / name, folder_of)
        write(code, folder_of, monkeypatch)
        assert (folder_of / written).read_bytes() == data, write


@pytest.mark.parametrize("kind", ["png", "svg", "geojson", "labels", "palette-json"])
def test_command_and_python_write_the_export_of_a_run(
    client, opened, folder, picture, tmp_path, monkeypatch, kind
):
    settings = {"weight": 0.05}
    key = client.post("api/runs", image=opened, method="region-fusion", settings=settings)["key"]
    assert finished(client, key)["state"] == "done"
    source = {"run": key, "method": "region-fusion", "settings": settings}
    data, written = export(client, opened, source, kind)
    code = client.post("api/code", image=opened, source=source, format=kind, colors=16)
    shutil.copy(folder / "small & odd <1>.png", tmp_path)
    by_python(code, tmp_path, monkeypatch)
    assert (tmp_path / written).read_bytes() == data
    assert (code["command"] != "") == (kind == "png")
    if kind == "png":
        (tmp_path / written).unlink()
        by_command(code, tmp_path, monkeypatch)
        assert (tmp_path / written).read_bytes() == data


def test_what_ships_is_read_from_the_package(client, tmp_path, monkeypatch):
    image = client.json("api/images?shipped=coffee", b"")["key"]
    code = client.post("api/code", image=image, source=CUT, format="labels", colors=16)
    assert code["command"] == ""
    by_python(code, tmp_path, monkeypatch)
    assert js.io.read_picture(tmp_path / "coffee-regions-25.labels.tif").pixels.max() == 25


def test_a_method_that_leaves_no_flat_regions_is_not_drawn(client):
    image = client.json("api/images?shipped=coffee", b"")["key"]
    key = client.post("api/runs", image=image, method="fgs", settings={})["key"]
    assert finished(client, key)["state"] == "done"
    source = {"run": key, "method": "fgs", "settings": {}}
    body = json.dumps({"image": image, "source": source, "format": "svg", "colors": 16}).encode()
    code, text = client.refused("api/export", body)
    assert (code, "not flat in regions" in text) == (400, True)


def test_hostile_names_are_text_in_every_export(client):
    file = io.BytesIO()
    Image.new("RGB", (12, 9), (200, 10, 10)).save(file, "PNG")
    name = "../<svg onload=alert(1)>]]>\x07&\"'\n#.png"
    image = client.json("api/images?name=" + quote(name), file.getvalue())["key"]
    source = {"n_regions": 1}
    drawing = ET.fromstring(export(client, image, source, "svg")[0])
    tags = {element.tag.split("}")[1] for element in drawing.iter()}
    assert tags <= {"svg", "title", "g", "path", "use", "defs", "rect"}
    palette, written = export(client, image, source, "palette-gpl")
    assert palette.decode().splitlines()[-1] == "200  10  10\t#c80a0a"
    assert "/" not in written
    code = client.post("api/code", image=image, source=source, format="png", colors=16)
    assert shlex.split(code["command"])[2] == name
    ast.parse(code["python"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "exe"}, {"format": "../png"}, {"colors": 0}, {"colors": 10**9}, {"source": {"n_regions": 0}},
        {"source": {"n_regions": 10**9}}, {"source": {"n_regions": "2"}}, {"source": {}}, {"source": {"run": "r999", "method": "tv"}},
        {"source": {"method": "tv", "settings": {"weight": -1}}}, {"source": {"method": "tv", "settings": []}},
        {"source": {"method": "tv"}},
    ],
)  # fmt: skip
def test_wrong_exports_are_sentences(client, opened, wrong):
    body = {"image": opened, "source": CUT, "format": "png", "colors": 16} | wrong
    code, text = client.refused("api/export", json.dumps(body).encode())
    assert (code, "error" in json.loads(text)) == (400, True)


def test_a_stopped_run_keeps_its_image(client, opened):
    key = client.post("api/runs", image=opened, method="dip", settings={"n_steps": 100000})["key"]
    while client.json(f"api/runs/{key}")["n_steps"] < 3:
        time.sleep(0.05)
    running = {"run": key, "method": "dip", "settings": {"n_steps": 100000}}
    body = json.dumps({"image": opened, "source": running, "format": "png", "colors": 16}).encode()
    assert "at work" in client.refused("api/export", body)[1]
    client.post(f"api/runs/{key}/stop")
    state = finished(client, key)
    assert (state["state"], state["status"]) == ("done", js.Status.STOPPED.value)
    assert len(client.ask(f"api/runs/{key}/pixels")[0]) == 60 * 81 * 4
    source = {"run": key, "method": "dip", "settings": {"n_steps": 100000}}
    code = client.post("api/code", image=opened, source=source, format="png", colors=16)
    assert code["command"].endswith(f"--max-steps {state['n_steps']}")
    assert f"max_steps={state['n_steps']})" in code["python"]


def test_the_whole_folder(client, folder, picture):
    (folder / "broken.png").write_bytes(b"no image")
    try:
        for target, source in (
            ("smoothed", {"n_regions": 30}),
            ("smoothed-2", {"method": "l0", "settings": {"weight": 0.02}}),
        ):
            state = client.post("api/folder", source=source)
            while not state["ended"]:
                time.sleep(0.05)
                state = client.json("api/folder")
            assert (state["done"], state["count"], state["target"], len(state["failed"])) == (5, 5, target, 1)
            assert "broken.png" in state["failed"][0]
            written = js.io.read_picture(folder / target / "small & odd <1>.png").pixels
            tree = js.RegionTree(picture)
            expected = (
                tree.smooth(n_regions=30) if "n_regions" in source else js.smooth(picture, "l0", weight=0.02)
            )
            np.testing.assert_array_equal(written, expected)
            assert js.io.read_picture(folder / target / "gray.png").pixels.dtype == np.uint16
    finally:
        (folder / "broken.png").unlink()
    assert client.refused("api/folder", b'{"source": {"method": "tv", "settings": {"weight": -1}}}')[0] == 400
    small = pixels_of(client.ask("api/thumbnail?file=gray.png")[0])
    assert small.shape == (40, 50)


def test_wrong_settings_are_sentences(client, opened):
    code, text = client.refused(
        "api/runs", json.dumps({"image": opened, "method": "tv", "settings": {"weight": -1}}).encode()
    )
    assert code == 400
    assert "weight must be at least 0" in json.loads(text)["error"]
    for body in (b"no json", b"{}", b"[]", b'{"image": "i0", "method": "tv"}'):
        code, text = client.refused("api/runs", body)
        assert (code, "error" in json.loads(text)) == (400, True)


def test_strangers_are_refused(client):
    root = client.address.rsplit("/", 2)[0] + "/"
    for path in ("", "x/api/about", "%2e%2e/", client.address.split("/")[3][:-1] + "/"):
        with pytest.raises(HTTPError) as caught:
            urlopen(root + path, timeout=10)
        with caught.value as answer:
            assert answer.code == 404
    assert client.refused("api/about", Origin="http://evil.example")[0] == 403
    assert client.refused("api/about", Origin="null")[0] == 403
    assert client.refused("api/about", Host="evil.example")[0] == 403


@pytest.mark.parametrize(
    "name", ["../secret.png", "..%2fsecret.png", "/etc/passwd", "", ".", "gray.png/../gray.png"]
)
def test_only_listed_files_are_opened(client, name):
    assert client.refused(f"api/images?file={quote(name)}", b"")[0] == 400
    assert client.refused(f"static/{name}")[0] in (404, 405) or name in ("", ".")


def test_uploads_are_read_and_bombs_are_refused(client):
    file = io.BytesIO()
    Image.new("L", (30, 20), 7).save(file, "PNG")
    about = client.json("api/images?name=" + quote("<script>alert(1)</script>.png"), file.getvalue())
    assert (about["height"], about["width"], about["name"]) == (20, 30, "<script>alert(1)</script>.png")
    bomb = io.BytesIO()
    Image.new("1", (20000, 10000)).save(bomb, "PNG")
    code, text = client.refused("api/images?name=bomb.png", bomb.getvalue())
    assert code == 400
    assert "bomb.png" in text
    assert client.refused("api/images?name=x.png", b"not an image")[0] == 400
    assert client.refused("api/images?name=x.png", b"")[0] == 400


def test_many_uploads_at_once(client):
    file = io.BytesIO()
    Image.new("RGB", (50, 40), (1, 2, 3)).save(file, "PNG")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.json("api/images?name=a.png", file.getvalue())))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["key"] for answer in answers}) == 50
    # the last ones are open, the first ones are closed with a sentence
    keys = sorted((answer["key"] for answer in answers), key=lambda key: int(key[1:]))
    assert client.json(f"api/images/{keys[-1]}")["width"] == 50
    assert "open it again" in client.refused(f"api/images/{keys[0]}")[1]


@pytest.mark.slow
class TestBrowser:
    @pytest.fixture
    def page(self, browser, client):
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, accept_downloads=True, has_touch=True
        )
        page = context.new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if "127.0.0.1" not in request.url and not
                request.url.startswith(("blob:", "data:")) else None)  # fmt: skip
        page.goto(client.address)
        yield page
        assert said == []
        context.close()

    def wait(self, page, condition):
        for _ in range(1200):
            if page.evaluate(condition):
                return
            page.wait_for_timeout(50)
        raise AssertionError((condition, page.inner_text("body")))

    def shown(self, page):
        height, width, levels = page.evaluate(
            "(({ height, width, output }) => [height, width, [...output]])(window.jumpset.view)"
        )
        return np.array(levels, np.uint8).reshape(height, width, 4)[..., :3]

    def test_the_slider_shows_what_the_package_computes(self, page, picture):
        tree = js.RegionTree(picture)
        page.get_by_role("button", name="small & odd").click()
        self.wait(page, "window.jumpset.cuts.length > 0")
        for n in (1, 2, 17, 300, 4000):
            before = page.evaluate("window.jumpset.cuts.length")
            page.fill("#regions", str(n))
            page.press("#regions", "Enter")
            self.wait(page, f"window.jumpset.cuts.length > {before}")
            np.testing.assert_array_equal(self.shown(page), tree.smooth(n_regions=n))
        page.focus("#slider")
        before = self.shown(page)
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(500)
        count = int(re.sub(r"\D", "", page.inner_text("#count")))
        assert count < 4000
        np.testing.assert_array_equal(self.shown(page), tree.smooth(n_regions=count))
        assert (self.shown(page) != before).any()

    def test_a_run_is_shown_and_saved(self, page, picture, tmp_path):
        page.get_by_role("button", name="small & odd").click()
        self.wait(page, "window.jumpset.cuts.length > 0")
        page.select_option("#method", "rtv")
        page.click("#run")
        self.wait(page, "document.getElementById('state').textContent.includes('stopping rule')")
        np.testing.assert_array_equal(self.shown(page), js.smooth(picture, "rtv"))
        page.click("#keep")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "out.png")
        assert download.value.suggested_filename == "small & odd _1_-rtv.png"
        np.testing.assert_array_equal(
            js.io.read_picture(tmp_path / "out.png").pixels, js.smooth(picture, "rtv")
        )
        assert "--method rtv" in page.inner_text("#command")

    def test_side_by_side_shows_both_images_at_one_place(self, page):
        page.get_by_role("button", name="small & odd").click()
        self.wait(page, "window.jumpset.cuts.length > 0")
        page.get_by_label("Side by side").check()
        places = "[...document.querySelectorAll('#sheet canvas')].map(c => { const b = c.getBoundingClientRect(); return [b.x, b.y, b.width] })"
        half = page.evaluate("document.getElementById('stage').clientWidth / 2")
        before, after = page.evaluate(places)
        assert after == pytest.approx([before[0] + half, before[1], before[2]], abs=1)
        stage = page.locator("#stage").bounding_box()
        page.mouse.move(stage["x"] + half + 50, stage["y"] + 60)  # over the second image
        page.mouse.wheel(0, -400)
        page.mouse.down()
        page.mouse.move(stage["x"] + half + 80, stage["y"] + 70)
        page.mouse.up()
        before, after = page.evaluate(places)
        assert before[2] > 81
        assert after == pytest.approx([before[0] + half, before[1], before[2]], abs=1)

    def test_the_slider_answers_a_finger(self, page, picture):
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_role("button", name="small & odd").click()
        self.wait(page, "window.jumpset.cuts.length > 0")
        page.locator("#slider").scroll_into_view_if_needed()
        box = page.locator("#slider").bounding_box()
        before = page.evaluate("window.jumpset.cuts.length")
        page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
        self.wait(page, f"window.jumpset.cuts.length > {before}")
        count = int(re.sub(r"\D", "", page.inner_text("#count")))
        assert count > 300
        np.testing.assert_array_equal(self.shown(page), js.RegionTree(picture).smooth(n_regions=count))

    def test_a_drawing_is_saved_as_by_the_command(self, page, folder, tmp_path, monkeypatch):
        page.get_by_role("button", name="small & odd").click()
        self.wait(page, "window.jumpset.cuts.length > 0")
        page.select_option("#format", "svg")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "out.svg")
        self.wait(page, "document.getElementById('command').textContent.includes('vectorize')")
        shutil.copy(folder / "small & odd <1>.png", tmp_path)
        by_command({"command": page.inner_text("#command")}, tmp_path, monkeypatch)
        written = (tmp_path / "small & odd <1>-regions-300.svg").read_bytes()
        assert (tmp_path / "out.svg").read_bytes() == written
        page.select_option("#format", "palette-gpl")
        assert page.is_visible("#colors")
        self.wait(page, "document.getElementById('command-of').hidden")
        assert page.is_visible("#no-command")

    @pytest.mark.parametrize("width", [1280, 390])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_serious(self, page, serious_findings, width, scheme):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        assert serious_findings(page) == []
        page.get_by_role("button", name="small & odd").click()
        self.wait(page, "document.getElementById('python').textContent !== ''")
        page.click("summary")
        page.click("#keep")
        assert serious_findings(page) == []

    def test_a_phone_sees_the_image_and_no_horizontal_bar(self, page):
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_role("button", name="Try coffee").click()
        self.wait(page, "window.jumpset.cuts.length > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.getElementById('after').getBoundingClientRect().width") > 300
