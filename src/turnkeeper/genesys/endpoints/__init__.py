"""One file an endpoint of the platform: what is asked, and what the answer means."""
