"""The protocols that clients use. A protocol is a folder here and a line in the applications of `app`."""
