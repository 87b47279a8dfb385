"""Readers of every document that the platform sends, one file per kind. Only they know the platform's field names."""
