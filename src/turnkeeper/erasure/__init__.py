"""Erasure: find conversations, remove everything that the archive holds of them, and prove it."""
