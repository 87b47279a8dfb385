"""The client of Genesys Cloud: signing in, rate limits, requests, downloads, and the endpoints that are used."""
