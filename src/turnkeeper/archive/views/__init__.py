"""Views of one conversation, built from its inputs alone."""
