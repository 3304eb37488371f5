"""How the documentation is built: `make docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import pages

pages.write_pages()

project = "jumpset"
copyright = "2026, the jumpset developers"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2}
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False
