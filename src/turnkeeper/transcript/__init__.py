"""Turns: one timeline from the bodies of a call, speakers, selections, summaries and output formats. Pure."""
