"""How the documentation is built: `make docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import pages
import tasks

pages.write_pages()
tasks.write_panels()

project = "jumpset"
copyright = "2026, the jumpset developers"
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "generated/gallery/*.py"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2}
html_static_path = ["_static"]
html_css_files = ["jumpset.css"]
autodoc_member_order = "bysource"
autodoc_mock_imports = [
    "deepinv",
    "pyproximal",
    "torchmetrics",
]  # bridges to them are documented without them
autosummary_generate = True
# A file system may not tell the two apart by the case of a letter.
autosummary_filename_map = {"jumpset.metrics.Contiguity": "jumpset.metrics.Contiguity-class"}
numpydoc_show_class_members = False
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "generated/gallery",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
}
