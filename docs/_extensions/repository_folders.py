"""Links to folders of the repository, which have no page: their text stays, without a link."""

from __future__ import annotations

from pathlib import Path

from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class UnlinkFolders(SphinxPostTransform):
    """Replace links to folders by their text, before MyST reports them as links without a target."""

    default_priority = 8  # MyST's own transform has 9

    def run(self) -> None:
        """Go through the links of one page."""
        page = Path(self.env.doc2path(self.env.docname))
        for link in list(self.document.findall(pending_xref)):
            if link.get("reftype") == "myst" and (page.parent / link["reftarget"]).is_dir():
                link.replace_self(link.children)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the transform."""
    app.add_post_transform(UnlinkFolders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
