"""Read any JSON in any chunking with constant memory. Knows no vendor and could be a library of its own."""
