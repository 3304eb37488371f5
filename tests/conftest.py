"""Settings of the whole test run, and the check of tensor shapes."""

import functools
import importlib
import inspect
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import PathFinder

import pytest
import torch

try:
    import jaxtyping
    from beartype.door import is_bearable
except ImportError:
    # `make test` installs both. In CI the check must not be lost without notice.
    if "CI" in os.environ:
        raise
    jaxtyping = None

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core: more threads would only wait for each other
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def one_thread():
    """Pictures and networks as small as those of tests only make threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = "chromium", "chromium-browser", "google-chrome", "chrome"
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="session")
def serve():
    """A context in which a folder has an address."""

    @contextmanager
    def serving(folder):
        handler = functools.partial(_QuietHandler, directory=str(folder))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()

    return serving


@pytest.fixture(scope="session")
def serious_findings():
    """What axe finds on a page of Playwright that is serious or critical: rules and places."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()

    def find(page):
        found = axe.run(page).response["violations"]
        return [
            (rule["id"], [node["target"] for node in rule["nodes"]])
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]

    return find


@functools.cache
def shape_aliases():
    """The aliases of `jumpset._core.types` as types of jaxtyping, e.g. Images: Float[Tensor, "B C *spatial"]."""
    aliases = vars(importlib.import_module("jumpset._core.types"))
    return {
        name: (jaxtyping.Inexact if hint.__metadata__[1:] else jaxtyping.Float)[
            hint.__origin__, hint.__metadata__[0]
        ]
        for name, hint in aliases.items()
        if hasattr(hint, "__metadata__")
    }


def shape_hints(functions):
    """The annotations with shapes of the first of ``functions`` that has any; it may be an overridden method."""
    for function in functions:
        function = inspect.unwrap(function)
        aliases = shape_aliases()
        texts = {name: str(text) for name, text in getattr(function, "__annotations__", {}).items()}
        found = {name: text for name, text in texts.items() if any(alias in text for alias in aliases)}
        if found:
            names = function.__globals__ | aliases
            return {name: eval(text, names) for name, text in found.items()}
    return {}


def with_shapes(function, hints):
    """Check the shapes of each call that returns; a call that raises has refused its arguments itself."""

    @functools.wraps(function)
    def checked(*args, **kwargs):
        result = function(*args, **kwargs)
        if not torch.compiler.is_compiling():
            check_call(function, args, kwargs, result)
        return result

    EXPECTED[function] = inspect.signature(function), hints
    return checked


EXPECTED = {}  # function: signature and hints; not in the closure, which a compiler would trace


def check_call(function, args, kwargs, result):
    """Raise for arguments or a result that do not fit the annotations."""
    signature, hints = EXPECTED[function]
    values = signature.bind(*args, **kwargs).arguments | {"return": result}
    with jaxtyping.jaxtyped("context"):
        for name, hint in hints.items():
            if name in values and not is_bearable(values[name], hint):
                sizes = {key: tuple(getattr(value, "shape", ())) for key, value in values.items()}
                raise AssertionError(f"{function.__qualname__}: {name} does not fit {hint}: {sizes}")


def check_shapes(module):
    """Replace the functions and methods of a module whose annotations have shapes."""
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            if hints := shape_hints([value]):
                setattr(module, name, with_shapes(value, hints))
        elif inspect.isclass(value):
            for key, method in list(vars(value).items()):
                if inspect.isfunction(method):
                    overridden = [
                        vars(base)[key] for base in value.__mro__ if inspect.isfunction(vars(base).get(key))
                    ]
                    if hints := shape_hints(overridden):
                        setattr(value, key, with_shapes(method, hints))


class ShapeChecks(PathFinder):
    """Finds the modules of jumpset as usual, and adds the checks once a module is loaded."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if not fullname.startswith("jumpset.") or fullname == "jumpset._core.types":
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                check_shapes(module)

            spec.loader.exec_module = exec_module
        return spec


if jaxtyping is not None:
    sys.meta_path.insert(0, ShapeChecks)
