"""Images that are flat in regions, or empty in regions.

>>> import jumpset as js
>>> flat = js.smooth(js.datasets.coffee(), method="region-fusion", weight=0.02)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jumpset import datasets as datasets
    from jumpset import dip as dip
    from jumpset import io as io
    from jumpset import metrics as metrics
    from jumpset import report as report
    from jumpset import smoothers as smoothers
    from jumpset._errors import FileError as FileError
    from jumpset._errors import InputError as InputError
    from jumpset._errors import Interrupted as Interrupted
    from jumpset._errors import JumpsetError as JumpsetError
    from jumpset._types import Iteration as Iteration
    from jumpset._types import Status as Status
    from jumpset.driver import Result as Result
    from jumpset.driver import Snapshots as Snapshots
    from jumpset.driver import Step as Step
    from jumpset.driver import run as run
    from jumpset.registry import method as method
    from jumpset.registry import methods as methods
    from jumpset.smoothing import smooth as smooth

# Where each public name lives: torch and numba are loaded when the first of them is used. The same list as
# above, which is what type checkers and editors read; tests/unit/test_public_api.py holds them together.
_HOME = {
    "FileError": "_errors",
    "InputError": "_errors",
    "Interrupted": "_errors",
    "Iteration": "_types",
    "JumpsetError": "_errors",
    "Result": "driver",
    "Snapshots": "driver",
    "Status": "_types",
    "Step": "driver",
    "method": "registry",
    "methods": "registry",
    "run": "driver",
    "smooth": "smoothing",
}
_PACKAGES = ("datasets", "dip", "io", "metrics", "report", "smoothers")

__all__ = [*_HOME, *_PACKAGES]


def __getattr__(name: str) -> object:
    if name in _HOME:
        value = getattr(_import_module(f"jumpset.{_HOME[name]}"), name)
    elif name in _PACKAGES:
        value = _import_module(f"jumpset.{name}")
    else:
        raise AttributeError(f"module 'jumpset' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
