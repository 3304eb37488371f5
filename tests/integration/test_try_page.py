"""The page without a server, in a real browser: its tree is the package's, and the image stays there."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jumpset as js

DOCS = Path(__file__).parents[2] / "docs"
APP = Path(js.__file__).parent / "app" / "static"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not here"),
]
COFFEE = js.datasets.coffee()
RANDOM = np.random.default_rng(0)
IMAGES = {
    "photograph": COFFEE[:160, 100:331],
    "gray": COFFEE[:90, :120, 1],
    "flat art, full of ties": np.kron(RANDOM.integers(0, 4, (15, 20, 1)), np.ones((9, 7, 3))).astype(np.uint8)
    * 60,
    "noise": RANDOM.integers(0, 256, (64, 97, 3)).astype(np.uint8),
    "one row": RANDOM.integers(0, 256, (1, 300, 3)).astype(np.uint8),
    "constant": np.full((20, 31, 3), 9, np.uint8),
    "one pixel": np.full((1, 1, 3), 9, np.uint8),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory, serve):
    spec = importlib.util.spec_from_file_location("try_page", DOCS / "try_page.py")
    try_page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(try_page)
    folder = try_page.build(tmp_path_factory.mktemp("site") / "try")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
    with serve(folder) as address:
        yield address


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    yield page
    assert said == []
    context.close()


def wait(page, condition):
    """As ``page.wait_for_function``, which the policy of the page forbids."""
    for _ in range(2400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError((condition, page.inner_text("body")))


def drop(page, array, name="image.png"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    before = page.evaluate("window.jumpset.cuts")
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": file.getvalue()})
    wait(page, f"window.jumpset.cuts > {before}")


@pytest.mark.parametrize("name", IMAGES)
def test_the_tree_is_that_of_the_package(page, address, name):
    image = IMAGES[name]
    levels = np.full((*image.shape[:2], 4), 255, np.uint8)
    levels[..., :3] = image if image.ndim == 3 else image[..., None]
    found = page.evaluate(
        """async ([levels, height, width]) => {
            const { treeOf } = await import("./tree.js");
            const t = treeOf(Uint8ClampedArray.from(levels), height, width, () => {});
            return [t.labels, t.child, t.into, t.weights].map((array) => [...array]);
        }""",
        [levels.ravel().tolist(), *image.shape[:2]],
    )
    gray = image.ndim == 3 and (image == image[..., :1]).all()
    expected = js.RegionTree(image[..., 0] if gray else image).hierarchy()
    for values, array in zip(found, (expected.labels.ravel(), *expected[1:]), strict=True):
        np.testing.assert_array_equal(np.array(values, array.dtype), array)


def test_the_saved_image_is_that_of_the_package_and_nothing_is_sent(page, tmp_path):
    image = IMAGES["photograph"]
    asked = []
    page.on("request", lambda request: asked.append((request.method, request.url)))
    drop(page, image, "it's <b>.png")
    page.context.set_offline(True)  # all further work is done by the page
    for n in (1, 17, 900):
        before = page.evaluate("window.jumpset.cuts")
        page.fill("#regions", str(n))
        page.press("#regions", "Enter")
        wait(page, f"window.jumpset.cuts > {before}")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "out.png")
        saved = js.io.read_picture(tmp_path / "out.png").pixels
        np.testing.assert_array_equal(saved[..., :3], js.RegionTree(image).smooth(n_regions=n))
    assert "--regions 900" in page.inner_text("#command")
    assert {method for method, url in asked if not url.startswith("blob:")} <= {"GET"}
    own = {path.name for folder in (DOCS / "try", APP) for path in folder.iterdir()}
    assert {url.split("/")[-1] for _, url in asked if not url.startswith("blob:")} <= own


def test_a_quarter_of_a_megapixel_is_answered_soon(page):
    drop(page, np.tile(COFFEE, (2, 1, 1))[:500, :500])
    assert page.evaluate("window.jumpset.seconds") < 15  # 1 s on an idle machine


def test_what_is_no_image_is_a_sentence(page):
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
    page.wait_for_selector("#error:not([hidden])")
    assert "cannot read the file" in page.inner_text("#error")


def test_the_sample_fits_a_phone(page, serious_findings):
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Try coffee").click()
    wait(page, "window.jumpset.cuts > 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert serious_findings(page) == []
