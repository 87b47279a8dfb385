"""Folders and object stores behind one contract."""
