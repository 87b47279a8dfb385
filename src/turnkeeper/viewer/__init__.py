"""Pages over an archive: one call to read and hear, or a folder of them to share. Only reads."""
