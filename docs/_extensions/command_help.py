"""The directive ``command-help``: for every command that it names, a section with the command's own help."""

from __future__ import annotations

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from cli.main import group

_WIDTH = 80  # characters of a line of help


def help_of(words: list[str]) -> str:
    """Return the text that ``spikebench … --help`` prints; KeyError if there is no such command."""
    command: click.Command = group
    context = click.Context(group, info_name="spikebench", **group.context_settings)
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            raise KeyError(f"spikebench {' '.join(words)}: no such command")
        command = found
        context = click.Context(command, context, info_name=word, **command.context_settings)
    context.terminal_width = _WIDTH
    return command.get_help(context)


class CommandHelp(Directive):
    """One section for each line, which is a command without the word ``spikebench``."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        sections: list[nodes.Node] = []
        for line in self.content:
            name = f"spikebench {line.strip()}"
            section = nodes.section(ids=[nodes.make_id(name)], names=[name.lower()])
            section += nodes.title(name, name)
            text = help_of(line.split())
            section += nodes.literal_block(text, text, language="text")
            self.state.document.note_explicit_target(section)
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
