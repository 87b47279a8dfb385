"""The part in C under gcc's sanitizers, attacked with millions of arrays: ``python -m tests.sanitized``."""
