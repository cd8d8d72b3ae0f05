"""Load generators and their scripts."""
