"""Authentication: tokens, certificates, and token reviews by the API server."""
