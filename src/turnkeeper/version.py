"""The version, written once: the package, the user agent and manifests read it here."""

__version__ = "0.1.0"
