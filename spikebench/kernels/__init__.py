"""Loops that run on a device, each twice: a plain PyTorch reference and a Triton kernel, one signature."""
