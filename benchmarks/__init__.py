"""Comparisons with peers: ``python -m benchmarks`` runs every suite here and writes docs/benchmarks.md."""
