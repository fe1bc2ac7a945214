"""Presets: the settings of every model, one TOML file each, and their validation.

::

    preset    Presets: all settings of a training, as TOML with the unit in every key
    resolved  All settings with their defaults: as tables, as TOML, and what differs
"""
