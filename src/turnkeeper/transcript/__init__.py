"""Bytes in, facts out: pure, synchronous, and without any knowledge of networks or stores."""
