"""Sphinx: the documentation as pages that need no network. ``make docs`` builds it from the root of the repository.

The root is the source folder, so that links between docs/, benchmarks/results/ and code mean the same in the
repository and on the pages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_extensions")]

import spikebench  # noqa: E402

project = "spikebench"
author = "the spikebench developers"
copyright = "the spikebench developers, BSD-3-Clause"
version = release = spikebench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "command_help",
    "notebook_pages",
    "repository_folders",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "benchmarks/results/*.md",
    "data/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "build", "**/__pycache__"]
nitpicky = True

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"spikebench {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_js_files = ["scrolling.js"]
html_extra_path = ["_start"]  # index.html, which leads to docs/index.html
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = (
    False  # it would read the pages again, which browsers refuse for files on a disk
)
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "NDArray": "NDArray"}
python_maximum_signature_line_length = 88
napoleon_use_ivar = True
# Types of numpy, torch and Python have no pages here, and looking them up elsewhere would need a network.
nitpick_ignore_regex = [("py:(class|exc|func|obj|meth|attr|data|mod)", ".*")]
suppress_warnings = ["ref.python"]  # words of a shape such as (n_units,) are no references


def give_captions_a_level(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: object
) -> None:
    """Give the captions of the navigation a level: Sphinx marks them as headings without one, which readers need."""
    tree = str(context.get("furo_navigation_tree", ""))
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def setup(app: Sphinx) -> None:
    """Change the context of pages after the theme has filled it."""
    app.connect("html-page-context", give_captions_a_level, priority=900)
