"""What must go when a conversation goes, and the proof that it went."""
