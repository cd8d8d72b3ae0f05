"""The server process: its ports, the applications on them, its start and its end."""
