"""Notebooks as pages: text, code, and the stored outputs (text and PNG). Nothing is run."""

from __future__ import annotations

import json

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
        parts += [part for output in cell["outputs"] for part in _output(output)]
    return "\n\n".join(parts) + "\n"


def _output(output: dict[str, object]) -> list[str]:
    data = output.get("data", {})
    assert isinstance(data, dict)
    if "image/png" in data:
        return [f"![output](data:image/png;base64,{''.join(data['image/png']).strip()})"]
    text = "".join(output.get("text", data.get("text/plain", "")))  # type: ignore[arg-type]
    return [f"```text\n{text.rstrip()}\n```"] if text.strip() else []


class NotebookParser(MystParser):
    """MyST, after the cells have been written as Markdown."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse a notebook."""
        super().parse(markdown(inputstring), document)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the file type."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
