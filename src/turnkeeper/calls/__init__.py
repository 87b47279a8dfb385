"""Read one call back from a file, a web address or an archive: turns, alignment with audio, clips."""
