"""Pure numerics over audio time and samples, plus the decoder."""
