"""One file per endpoint of the platform: its paths, parameters and request bodies, and in which order they are sent.

What the answers mean is in ``payloads``.
"""
