"""Loops that run on a device, with a plain PyTorch reference, and one signature for every implementation."""
