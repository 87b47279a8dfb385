"""Conversations from the platform into the archive, one or many."""
