"""Strangers' bytes against every decoder of the server, from a corpus that is kept (corpus/, written by seeds.py)."""
