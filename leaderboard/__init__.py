"""Entries that others can recompute, and the page that shows them."""
