"""Turns: who spoke, one timeline, selections, summaries and formats. Pure."""
