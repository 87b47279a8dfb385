"""What the verbs do, driving data one way: platform, spool, transcript, archive."""
