"""Draw the figure and write the table of the page "How the code is laid out" from the packages.

python docs/layout.py   # draws docs/pictures/layout.svg again

The order of the packages is the list LAYERS of tests/unit/test_architecture.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "jumpset"
FIGURE = ROOT / "docs" / "pictures" / "layout.svg"
# Consecutive packages of LAYERS, from the ground up, and what they have in common.
ROWS = {
    "Foundation": ("_core",),
    "Numerics": ("kernels", "operators"),
    "Penalties": ("prox", "penalties", "solvers"),
    "Building blocks": ("io", "metrics", "regions", "nn", "jpeg", "texture"),
    "Methods": ("smoothers", "dip", "learned"),
    "Loop": ("running", "restoration"),
    "Data and tools": ("datasets", "training", "weights", "explain", "interop"),
    "Front ends": ("report", "bench", "app", "cli"),
}
FILLS = ("#e8eaed", "#dbe9f9", "#d8f0e3", "#fdf0d0", "#fbdfd3", "#efe0f7", "#dff1f4", "#f4e1e8")
WIDTH, LEFT, BOX, GAP, STEP = 774, 158, 88, 16, 56
STYLE = """<style>text { font: 15px system-ui, sans-serif; fill: #1b1f24; }
.name { font: 12.5px ui-monospace, monospace; } .box { stroke: #57606a; } .internal { stroke-dasharray: 4 3; }
.line { stroke: #57606a; fill: none; }</style>"""


def layers() -> list[str]:
    """Return the packages from the ground up, as the architecture test has them."""
    tree = ast.parse((ROOT / "tests" / "unit" / "test_architecture.py").read_text(encoding="utf-8"))
    assignments = (node for node in tree.body if isinstance(node, ast.Assign))
    names = next(ast.literal_eval(node.value) for node in assignments if node.targets[0].id == "LAYERS")
    return [name for name in names if name != "__main__"]


def purpose(package: str) -> str:
    """Return the first paragraph of the package's docstring."""
    tree = ast.parse((SOURCE / package / "__init__.py").read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())


def imports(package: str) -> list[str]:
    """Return the other packages that a package imports, in the order of the layers."""
    found = set()
    for path in (SOURCE / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "jumpset":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jumpset."):
                found.add(node.module.split(".")[1])
    return [name for name in layers() if name in found - {package}]


def table() -> str:
    """Return a reStructuredText table of the packages from the ground up: name, purpose, imports."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 12 53 35", ""]
    for cells in [("Package", "Purpose", "Imports"), *map(_row, layers())]:
        lines += [f"   {'*' if k == 0 else ' '} - {cell}" for k, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


def _row(package: str) -> tuple[str, str, str]:
    return f"``{package}``", purpose(package), ", ".join(f"``{name}``" for name in imports(package)) or "–"


def figure() -> str:
    """Return an SVG with a row of boxes for each group of packages, the foundation at the bottom."""
    stub = (SOURCE / "__init__.pyi").read_text(encoding="utf-8")
    height = STEP * len(ROWS) + 50
    parts = []
    for row, (title, packages) in enumerate(ROWS.items()):
        y = height - 50 - STEP * (row + 1) + 14
        parts.append(f'<text x="34" y="{y + 25}">{title}</text>')
        for k, package in enumerate(packages):
            x = LEFT + k * (BOX + GAP)
            kind = "box" if f"from . import {package} as" in stub else "box internal"
            parts.append(
                f'<rect class="{kind}" fill="{FILLS[row]}" x="{x}" y="{y}" width="{BOX}" height="40" rx="6"/>'
                f'<text class="name" x="{x + BOX / 2:g}" y="{y + 25}" text-anchor="middle">{package}</text>'
            )
            if k > 0:
                parts.append(f'<path class="line" marker-end="url(#tip)" d="M{x} {y + 20}h{9 - GAP}"/>')
    arrow = f'<path class="line" stroke-width="2" marker-end="url(#tip)" d="M18 14V{height - 58}"/>'
    note = "imports go down, and to the left within a row; dashed: not public"
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#57606a"/></marker>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">{STYLE}'
        f'<defs>{tip}</defs><rect width="100%" height="100%" rx="8" fill="#ffffff"/>{arrow}'
        f'{"".join(parts)}<text x="34" y="{height - 18}">{note}</text></svg>\n'
    )


if __name__ == "__main__":
    FIGURE.write_text(figure(), encoding="utf-8")
