"""Pages over an archive: one call to read and hear, or a folder of calls."""
