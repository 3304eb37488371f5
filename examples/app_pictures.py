"""Take the screenshots of the page "The app": docs/pictures/app-*.png.

python examples/app_pictures.py [OUT]

The app shows the photograph that comes with the package (coffee, CC0). Needs playwright and Chromium.
"""

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import jumpset as js

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE = {"width": 1100, "height": 700}


@contextmanager
def address() -> Iterator[str]:
    """Run the app and yield its address."""
    command = [sys.executable, "-m", "jumpset", "app", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        try:
            text = ""
            while not (found := re.search(r"http://127\.0\.0\.1\S+", text)):
                line = program.stderr.readline()
                if not line:
                    raise SystemExit("the app ended without an address")
                text += line
            yield found[0]
        finally:
            program.terminate()


def shoot(page: Page, path: Path) -> None:
    """Store what the page shows, with 256 colours, in half the bytes."""
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        small = shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).convert("RGB")
    js.io.write_picture(path, np.asarray(small))
    print(path)


def main() -> None:
    """Draw regions, run a method, and take the same in dark colours."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with address() as url, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(url)
        page.get_by_role("button", name="Try coffee").click()
        page.locator("#work").wait_for()
        page.wait_for_timeout(500)
        page.locator("#busy").wait_for(state="hidden", timeout=120_000)  # the tree is built
        page.fill("#regions", "60")
        page.press("#regions", "Enter")
        page.wait_for_timeout(2000)
        shoot(page, folder / "app-regions.png")
        page.select_option("#method", "rtv")
        page.click("#run")
        page.wait_for_timeout(1000)
        page.locator("#progress").wait_for(state="hidden", timeout=120_000)
        shoot(page, folder / "app-method.png")
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(500)
        shoot(page, folder / "app-dark.png")
        browser.close()


if __name__ == "__main__":
    main()
