"""Leaderboard entries that others can recompute, and the page that displays them."""
