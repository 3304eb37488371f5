"""The built pages in a browser: axe, three widths, light and dark, without a network.

Needs the pages of `make docs`, playwright, axe-playwright-python and Chromium. By default one generated page of each
kind is opened, and every page that was written by hand, and axe reads each in one of three views in turn.
JUMPSET_ALL_PAGES=1 opens all pages, in all views.
"""

import html
import os
import re
from pathlib import Path

import pytest

BUILT = Path(__file__).parents[2] / "docs" / "_build" / "html"
GENERATED = (  # one page of each kind
    "generated/api.html",
    "generated/api/jumpset.RegionTree.html",
    "generated/api/jumpset.smooth.html",
    "generated/api/jumpset.smoothers.RTV.html",
    "generated/command_line.html",
    "generated/gallery/index.html",
    "generated/gallery/plot_12_vector_output.html",
    "generated/methods.html",
    "generated/methods/rtv.html",
    "generated/notebooks.html",
    "generated/notebooks/jpeg_logo.html",
    "generated/notebooks/penalties_in_training.html",
    "generated/penalties/SlidingGroups.html",
)
pytestmark = pytest.mark.skipif(
    not (BUILT / "index.html").exists(), reason="the pages are not built: make docs"
)
VIEWS = (1280, "light"), (768, "dark"), (390, "dark")
# Text and figures may not be altered, and nothing may be wider than the window.
LAYOUT = """() => {
    const root = document.scrollingElement, found = [];
    if (root.scrollWidth > root.clientWidth + 1) {
        const wide = [...document.querySelectorAll("main *")].filter(
            e => e.getBoundingClientRect().right > root.clientWidth + 1);
        found.push(`scrolls sideways: ${wide.slice(0, 3).map(e => e.outerHTML.slice(0, 90)).join(" ")}`);
    }
    for (const e of document.querySelectorAll("img, svg")) {
        const style = getComputedStyle(e);
        if (style.filter !== "none" || style.mixBlendMode !== "normal" || style.opacity !== "1")
            found.push(`altered picture: ${e.outerHTML.slice(0, 90)}`);
    }
    for (const e of document.images)
        if (e.complete && !e.naturalWidth) found.push(`broken picture: ${e.src}`);
    return found;
}"""


@pytest.fixture(scope="module")
def address(serve):
    with serve(BUILT) as address:
        yield address


def chosen():
    """The pages to open."""
    found = [path.relative_to(BUILT).as_posix() for path in sorted(BUILT.rglob("*.html"))]
    found = [name for name in found if not name.startswith("_static/")]  # templates of the theme
    if os.environ.get("JUMPSET_ALL_PAGES"):
        return found
    written = [
        name for name in found if not name.startswith(("generated/", "_modules/", "genindex", "py-modindex"))
    ]
    return [*written, *GENERATED, "_modules/jumpset/smoothers/rtv.html"]


def problems(page, axe, url, views):
    """What is wrong with a page, each a line; axe reads it in the given views, and all are checked for width."""
    found = []
    for view in VIEWS:
        width, scheme = view
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        if view in views or view == VIEWS[0]:  # what the keyboard can scroll is decided when a page is loaded
            page.goto(url)
            page.add_style_tag(content="* { transition: none !important; }")  # colours are final at once
        found += [f"{width} {scheme}: {text}" for text in page.evaluate(LAYOUT)]
        if view in views:
            # without `preload` axe does not ask for style sheets again, by wrong addresses
            options = {"resultTypes": ["violations"], "preload": False}
            for fault in axe.run(page, options=options).response["violations"]:
                nodes = "; ".join(node["html"][:90] for node in fault["nodes"][:3])
                found.append(f"{width} {scheme}: {fault['id']} × {len(fault['nodes'])}: {nodes}")
    return found


@pytest.mark.slow
def test_pages_are_accessible_and_fit_every_window(browser, address):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(bypass_csp=True)  # styles of the test are no faults of a page
    context.route(re.compile(rf"^(?!{address}|data:|blob:)"), lambda route: route.abort())
    page = context.new_page()
    said = []
    page.on(
        "console", lambda m: said.append(f"{m.text} {m.location}") if m.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"asked for {request.url}"))
    faults = {}
    thorough = bool(os.environ.get("JUMPSET_ALL_PAGES"))
    for k, name in enumerate(chosen()):
        said.clear()
        views = VIEWS if thorough else [VIEWS[k % len(VIEWS)]]
        found = [*problems(page, axe, address + name, views), *said]
        if found:
            faults[name] = found
    context.close()
    assert not faults, "\n".join(f"{name}: {text}" for name, found in faults.items() for text in found)


def test_pages_have_public_names_only():
    """A reader can import every name that is shown; the pages of the source code show the files."""
    hidden = re.compile(r"\bjumpset(?:\.\w+)*\.(?:_[a-z]\w*|[a-z]\w*\.[a-z]\w*\.[A-Za-z]\w*)")
    found = {}
    for path in (BUILT / "generated").rglob("*.html"):
        text = re.sub(r"<(script|style|nav).*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        names = set(hidden.findall(html.unescape(re.sub(r"<[^>]+>", "", text))))
        if names := {name for name in names if not name.startswith("jumpset.interop.")}:  # these are public
            found[path.name] = names
    assert found == {}
