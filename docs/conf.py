"""How the documentation is built: `make docs`. The build needs no network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import inventories  # noqa: E402
import pages  # noqa: E402
import tasks  # noqa: E402
import try_page  # noqa: E402

import jumpset  # noqa: E402

pages.write_pages()
tasks.write_panels()

project = "jumpset"
copyright = "2026, the jumpset developers"
version = release = jumpset.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "mathml",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
# Older builds left tables of times, whose scripts come from the network.
exclude_patterns = [
    "_build",
    "try",
    "generated/gallery/*.py",
    "generated/gallery/*.ipynb",
    "**/sg_exec*",
]

html_theme = "pydata_sphinx_theme"
html_title = "jumpset"
html_favicon = "../src/jumpset/app/static/icon.svg"
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_toc_level": 2,
    "collapse_navigation": True,
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["version-switcher", "theme-switcher"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "benchmarks": [], "races": []},
    # The list of versions lies beside the pages, so that one file serves all versions of a site.
    "switcher": {"json_url": "_static/versions.json", "version_match": version},
    "check_switcher": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"index": [], "benchmarks": [], "changelog": [], "citation": []}
html_static_path = ["_static"]
html_extra_path = [str(try_page.build(HERE / "generated" / "extra" / "try").parent)]  # try/index.html
html_css_files = ["jumpset.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False

copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_mock_imports = [
    "deepinv",
    "pyproximal",
    "torchmetrics",
]  # bridges to them are documented without them
autosummary_generate = True
autosummary_context = {"members_of": pages.class_members()}
# A file system may not tell the two apart by the case of a letter.
autosummary_filename_map = {"jumpset.metrics.Contiguity": "jumpset.metrics.Contiguity-class"}
numpydoc_show_class_members = False
intersphinx_mapping = inventories.mapping(HERE / "generated" / "inventories")
intersphinx_cache_limit = -1

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "generated/gallery",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "capture_repr": ("_repr_html_",),  # not the labels and lines that matplotlib returns
    "doc_module": ("jumpset",),
    "reference_url": {"jumpset": None},  # the names in the programs link to the reference
}


def _link_to_figures(app, what, name, obj, options, lines):  # noqa: ARG001
    """Add to the reference of a method or a penalty where its figures are."""
    page = pages.page_of(obj) if what == "class" else None
    if page and page != f"/{app.env.temp_data.get('docname', '')}":
        lines += ["", f".. seealso:: :doc:`{page}` shows it in images, with its seconds.", ""]


def _link_to_methods(app, docname, source):  # noqa: ARG001
    """Add to a program of the gallery the methods and penalties that it uses."""
    if docname.startswith("generated/gallery/plot_"):
        links = pages.mentioned(docname.rpartition("/")[2])
        source[0] += f"\n.. rubric:: Methods and penalties\n\n{links}\n" if links else ""


def _name_toggles(app, error):
    """Give the toggles of the navigation a name, which the theme omits: screen readers need one."""
    bare = '<summary><span class="toctree-toggle"'
    for path in Path(app.outdir).rglob("*.html") if error is None else ():
        text = path.read_text(encoding="utf-8")
        if bare in text:
            named = bare.replace("<summary>", '<summary aria-label="Pages of this section">')
            path.write_text(text.replace(bare, named), encoding="utf-8")


def setup(app):
    """Connect the functions above."""
    app.connect("autodoc-process-docstring", _link_to_figures)
    app.connect("source-read", _link_to_methods)
    app.connect("build-finished", _name_toggles)
