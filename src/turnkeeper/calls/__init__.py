"""One call read back from anywhere: turns, audio, clips."""
