"""Pages over an archive: one call to read and hear, or a folder of them to share. What is read, the audit is told."""
