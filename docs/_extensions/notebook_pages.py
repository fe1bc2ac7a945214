"""Notebooks as pages: text, code, and the stored outputs (text and PNG). Nothing is run."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx


def markdown(notebook: str) -> str:
    """Write the cells of a notebook (the text of an .ipynb file) as Markdown."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for kind, outputs in groupby(cell["outputs"], key=lambda output: output["output_type"]):
            parts.append("".join(map(_picture if kind == "display_data" else _text, outputs)))
            if kind == "stream":
                parts[-1] = f"```text\n{parts[-1].rstrip()}\n```"
    return "\n\n".join(parts) + "\n"


def _text(output: dict[str, Any]) -> str:
    return "".join(output["text"])


def _picture(output: dict[str, Any]) -> str:
    return f"![figure of the code above](data:image/png;base64,{''.join(output['data']['image/png']).strip()})\n"


class NotebookParser(MystParser):
    """MyST, after the cells have been written as Markdown; the page ends with a link to the notebook."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse a notebook."""
        name = Path(document["source"]).name
        download = f"\n{{download}}`This page as a notebook <{name}>`\n"
        super().parse(markdown(inputstring) + download, document)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the file type."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
