"""The archive: what is stored of each conversation, how it is committed, read back, checked and repaired."""
