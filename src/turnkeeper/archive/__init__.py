"""The destination: the door through which everything kept goes out, and comes back."""
