"""Every document the platform sends, one file a kind. The only room that knows its field names."""
