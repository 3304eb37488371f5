"""The methods by name. One line in ``CLASSES`` registers a method everywhere.

Nothing here loads a method, nor torch: the command line checks and completes names before it waits for them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLASSES = {
    "tv": "jumpset.smoothers.tv:TV",
    "l0": "jumpset.smoothers.l0:L0Smoothing",
    "region-fusion": "jumpset.smoothers.region_fusion:RegionFusion",
    "potts": "jumpset.smoothers.potts:PottsADMM",
    "potts-descent": "jumpset.smoothers.potts_descent:PottsDescent",
    "l0-projection": "jumpset.smoothers.l0_projection:L0Projection",
    "gsf": "jumpset.smoothers.gsf:GSF",
    "semi-sparsity": "jumpset.smoothers.semi_sparsity:SemiSparsity",
    "pnls": "jumpset.smoothers.pnls:PNLS",
    "collaborative": "jumpset.smoothers.collaborative:Collaborative",
    "structure-texture": "jumpset.smoothers.structure_texture:StructureTexture",
    "whitened": "jumpset.smoothers.whitened:Whitened",
    "rtv": "jumpset.smoothers.rtv:RTV",
    "wls": "jumpset.smoothers.wls:WLS",
    "fgs": "jumpset.smoothers.fgs:FGS",
    "sg-wls": "jumpset.smoothers.sg_wls:SGWLS",
    "ils": "jumpset.smoothers.ils:ILS",
    "bilateral": "jumpset.smoothers.bilateral:Bilateral",
    "guided": "jumpset.smoothers.guided:Guided",
    "rolling-guidance": "jumpset.smoothers.rolling_guidance:RollingGuidance",
    "domain-transform": "jumpset.smoothers.domain_transform:DomainTransform",
    "dip": "jumpset.dip.dip:DIP",
    "dip-tv": "jumpset.dip.dip_tv:DIPTV",
    "dip-aitv": "jumpset.dip.dip_aitv:DIPAITV",
    "dip-l0": "jumpset.dip.dip_l0:DIPl0",
    "dip-correction": "jumpset.dip.dip_correction:DIPCorrection",
    "dip-potts": "jumpset.dip.dip_potts:DIPPotts",
    "resnet": "jumpset.learned.resnet:ResNet",
    "vdcnn": "jumpset.learned.vdcnn:VDCNN",
    "jess-net": "jumpset.learned.jess_net:JESSNet",
    "deep-wls": "jumpset.learned.deep_wls:DeepWLS",
    "jumpset-net": "jumpset.learned.jumpset_net:JumpsetNet",
    "dejpeg": "jumpset.learned.dejpeg:DeJPEG",
}

LEARNED = [name for name, path in CLASSES.items() if path.startswith("jumpset.learned.")]
"""The methods that are trained networks."""


@dataclass(frozen=True)
class Declared:
    """What the source of a method says of it."""

    parameters: tuple[str, ...]
    """Hyper-parameters, also by their names in the literature."""
    presets: tuple[str, ...]


def declared(name: str) -> Declared:
    """Return what the source file of a method declares; nothing of a method outside this package.

    The file is parsed, not run: to import it would load torch.
    """
    module, _, cls = CLASSES[name].partition(":")
    parameters: list[str] = []
    dictionaries: dict[str, tuple[str, ...]] = {}
    for node in _bodies(module, cls):
        for line in node.body:
            if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
                continue
            key = line.target.id
            if "ClassVar" not in ast.unparse(line.annotation):
                is_field = bool(node.decorator_list) and "init=False" not in ast.unparse(line)
                parameters = [k for k in parameters if k != key] + [key] * is_field
            elif isinstance(line.value, ast.Dict):
                dictionaries[key] = tuple(ast.literal_eval(k) for k in line.value.keys if k is not None)
    return Declared((*parameters, *dictionaries.get("aliases", ())), dictionaries.get("presets", ()))


def _bodies(module: str, cls: str) -> Iterator[ast.ClassDef]:
    """Yield the classes that a class of this package is derived from, then the class itself."""
    path = Path(__file__).parents[2].joinpath(*module.split(".")).with_suffix(".py")
    if not module.startswith("jumpset.") or not path.is_file():
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: dict[str, tuple[str, str]] = {}
    local: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            imported |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            local[node.name] = node
    if cls not in local:
        return
    for base in local[cls].bases:
        name = ast.unparse(base).partition("[")[0]
        yield from _bodies(*imported.get(name, (module, name)))
    yield local[cls]
