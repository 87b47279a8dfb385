"""The platform: the async door through which every byte of Genesys Cloud comes in."""
