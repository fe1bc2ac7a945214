"""A group of commands that imports a command only when it runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that shows its help without importing its commands.

    Parameters
    ----------
    registry
        Name → (``module:attribute``, one-line help). The help is stored here so that the help of the group
        imports no command.
    """

    def __init__(self, *args: Any, registry: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.registry = registry

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names, in the order of the registry."""
        return list(self.registry)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.registry:
            return None
        module, _, attribute = self.registry[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; the error for an unknown name lists the known ones."""
        # Click 8.2 and later suggest a near name on their own; older ones need this.
        name = args[0]
        if name not in self.registry:
            from spikebench.errors import UnknownNameError

            raise click.UsageError(str(UnknownNameError("command", name, self.registry)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names with their help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.registry.items()])
