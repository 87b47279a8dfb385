"""How well transcripts are placed on their audio: calls built from known truth, measured, and one table."""
