"""Decoding and waveforms: how fast, in how much memory, and are the bytes audiowaveform's."""
