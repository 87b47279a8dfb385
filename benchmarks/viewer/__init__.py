"""The pages of ``turnkeeper report``: how long until one can be read, and heard."""
