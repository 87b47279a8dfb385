"""Any JSON in any chunking, read in constant memory. Knows no vendor."""
