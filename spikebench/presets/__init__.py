"""Presets: the settings of every model, one TOML file each, and how they are read.

::

    preset  Presets: everything that decides a training, as TOML with the unit in every key
"""
