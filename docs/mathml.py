"""A Sphinx extension: formulas as MathML, which browsers draw without a script and without a network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

# what docutils does not know
SPELLED = {"…": r"\ldots ", r"\dots": r"\ldots ", "½": r"\tfrac12 ", r"\textstyle": ""}
log = logging.getLogger(__name__)


def mathml(formula: str, block: bool, place: nodes.Node | None = None) -> str:
    """Return MathML; a formula that cannot be translated is a warning and is shown as it was written."""
    for written, known in SPELLED.items():
        formula = formula.replace(written, known)
    try:
        return tex2mathml(formula, as_block=block)
    except MathError as error:
        log.warning("formula %r: %s", formula, error, location=place)
        return f"<code>{formula}</code>"


def _visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{mathml(node.astext(), False, node)}</span>')
    raise nodes.SkipNode


def _visit_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math" tabindex="0">{mathml(node.astext(), True, node)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
