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
    from jumpset import learned as learned
    from jumpset import metrics as metrics
    from jumpset import penalties as penalties
    from jumpset import report as report
    from jumpset import smoothers as smoothers
    from jumpset import solvers as solvers
    from jumpset._core.errors import FileError as FileError
    from jumpset._core.errors import InputError as InputError
    from jumpset._core.errors import Interrupted as Interrupted
    from jumpset._core.errors import JumpsetError as JumpsetError
    from jumpset._core.types import Iteration as Iteration
    from jumpset._core.types import Status as Status
    from jumpset.interop.skimage import denoise_groups as denoise_groups
    from jumpset.interop.skimage import denoise_potts_1d as denoise_potts_1d
    from jumpset.interop.skimage import denoise_sparse_tv as denoise_sparse_tv
    from jumpset.interop.skimage import denoise_tv as denoise_tv
    from jumpset.running.run import Result as Result
    from jumpset.running.run import Snapshots as Snapshots
    from jumpset.running.run import Step as Step
    from jumpset.running.run import run as run
    from jumpset.training.export import export_onnx as export_onnx
    from jumpset.training.train import train as train
    from jumpset.penalties import AITV as AITV
    from jumpset.penalties import L0 as L0
    from jumpset.penalties import L1 as L1
    from jumpset.penalties import MCP as MCP
    from jumpset.penalties import SCAD as SCAD
    from jumpset.penalties import TGV2 as TGV2
    from jumpset.penalties import Cauchy as Cauchy
    from jumpset.penalties import Charbonnier as Charbonnier
    from jumpset.penalties import Connectedness as Connectedness
    from jumpset.penalties import GraphNet as GraphNet
    from jumpset.penalties import HuberTV as HuberTV
    from jumpset.penalties import L0Gradient as L0Gradient
    from jumpset.penalties import LatentGroups as LatentGroups
    from jumpset.penalties import LogSum as LogSum
    from jumpset.penalties import Penalty as Penalty
    from jumpset.penalties import PenaltyLoss as PenaltyLoss
    from jumpset.penalties import Potts as Potts
    from jumpset.penalties import Prox as Prox
    from jumpset.penalties import QuadtreeGroups as QuadtreeGroups
    from jumpset.penalties import SlidingGroups as SlidingGroups
    from jumpset.penalties import SparseGroup as SparseGroup
    from jumpset.penalties import SparseTV as SparseTV
    from jumpset.penalties import TargetArea as TargetArea
    from jumpset.penalties import TiledGroups as TiledGroups
    from jumpset.penalties import TotalVariation as TotalVariation
    from jumpset.penalties import TransformedL1 as TransformedL1
    from jumpset.penalties import VectorialTV as VectorialTV
    from jumpset.running.registry import method as method
    from jumpset.running.registry import methods as methods
    from jumpset.texture import Texture as Texture
    from jumpset.texture import estimate_texture as estimate_texture
    from jumpset.running.smooth import smooth as smooth
    from jumpset.regions.tree import RegionTree as RegionTree
    from jumpset.weights.auto import AutoWeight as AutoWeight
    from jumpset.weights.auto import auto_weight as auto_weight
    from jumpset.weights.auto import estimate_noise as estimate_noise

# Where each public name lives: torch and numba are loaded when the first of them is used. The same list as
# above, which is what type checkers and editors read; tests/unit/test_public_api.py holds them together.
_HOME = {
    "AITV": "penalties",
    "AutoWeight": "weights",
    "Cauchy": "penalties",
    "Charbonnier": "penalties",
    "Connectedness": "penalties",
    "FileError": "_errors",
    "GraphNet": "penalties",
    "HuberTV": "penalties",
    "InputError": "_errors",
    "Interrupted": "_errors",
    "Iteration": "_types",
    "JumpsetError": "_errors",
    "L0": "penalties",
    "L0Gradient": "penalties",
    "L1": "penalties",
    "LatentGroups": "penalties",
    "LogSum": "penalties",
    "MCP": "penalties",
    "Penalty": "penalties",
    "PenaltyLoss": "penalties",
    "Potts": "penalties",
    "Prox": "penalties",
    "QuadtreeGroups": "penalties",
    "RegionTree": "tree",
    "Result": "driver",
    "SCAD": "penalties",
    "SlidingGroups": "penalties",
    "Snapshots": "driver",
    "SparseGroup": "penalties",
    "SparseTV": "penalties",
    "Status": "_types",
    "Step": "driver",
    "TGV2": "penalties",
    "TargetArea": "penalties",
    "Texture": "smoothers.texture",
    "TiledGroups": "penalties",
    "TotalVariation": "penalties",
    "TransformedL1": "penalties",
    "VectorialTV": "penalties",
    "auto_weight": "weights",
    "denoise_groups": "interop.skimage",
    "denoise_potts_1d": "interop.skimage",
    "denoise_sparse_tv": "interop.skimage",
    "denoise_tv": "interop.skimage",
    "estimate_noise": "weights",
    "estimate_texture": "smoothers.texture",
    "export_onnx": "learned.export",
    "method": "registry",
    "methods": "registry",
    "run": "driver",
    "smooth": "smoothing",
    "train": "learned.training",
}
_PACKAGES = ("datasets", "dip", "io", "learned", "metrics", "penalties", "report", "smoothers", "solvers")

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
