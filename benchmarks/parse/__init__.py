"""Reading turns out of large documents: turnkeeper's public calls beside other parsers, doing the same work."""
