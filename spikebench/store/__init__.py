"""Data sets on this machine: where they lie, how they get there, and whether they are what they should be."""
