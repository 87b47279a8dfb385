"""Audio of a call: decoding, peaks, the map from time to samples, comparison with the transcript, and clips."""
