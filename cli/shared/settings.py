"""Settings of a training as the options give them: read, checked before PyTorch is loaded, and announced."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from spikebench.learning import check_rule_name
from spikebench.learning.configs import rule_settings
from spikebench.models import names_a_file
from spikebench.presets.preset import Preset, preset_name, read_own_settings, read_preset
from spikebench.presets.resolved import as_toml, differences, resolved


class Given(NamedTuple):
    """The options that choose the settings of a training."""

    model: str
    data: str
    learning: str | None
    preset_file: Path | None
    config: Path | None
    settings: tuple[str, ...]

    def read(self) -> Preset:
        """Return the checked settings.

        Raises
        ------
        UnknownNameError
            If there is no such model or learning rule.
        TrainingError
            If a file cannot be read, or settings are unknown or out of range.
        """
        if self.learning:
            check_rule_name(self.learning)
        preset = self._read(self.settings, self.config)
        rule_settings(preset)
        return preset

    def _read(self, settings: tuple[str, ...], config: Path | None) -> Preset:
        rule = self.learning or ""
        if names_a_file(self.model):
            words = [f"learning.rule={rule}", *settings] if rule else settings
            return read_own_settings(self.preset_file, words, config)
        return read_preset(self.model, self.preset_file, settings, self.data, rule, config)

    @property
    def source(self) -> str:
        """Name the file of the settings, before any change."""
        if names_a_file(self.model):
            return str(self.preset_file or "default settings")
        found = preset_name(self.model, self.data, self.learning or "")
        return str(self.preset_file or f"the preset {found}")

    def announce(self, preset: Preset) -> None:
        """Print on standard error what the options change in the preset, if they do."""
        if not self.config and not self.settings:
            return
        base = self._read((), None)
        changes = differences(resolved(self.model, base), resolved(self.model, preset))
        by = " and ".join(
            [*([str(self.config)] if self.config else []), *(["--set"] if self.settings else [])]
        )
        what = ", ".join(changes) or "nothing"
        click.echo(f"settings: {self.source}; changed by {by}: {what}", err=True)


def print_preset(model: str, preset: Preset) -> None:
    """Print all settings as TOML, for ``--config``.

    Parameters
    ----------
    model
        Name of the model.
    preset
        Its settings.
    """
    tables = resolved(model, preset)
    if preset.learning:
        tables["learning"] = {**preset.learning, **dict(rule_settings(preset))}
    click.echo(as_toml(tables), nl=False)
