"""Export Genesys Cloud conversation transcripts into an archive you own."""

__version__ = "0.1.0"
