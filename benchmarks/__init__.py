"""The figures of README.md, measured on the real cluster; `make bench` prints them, one JSON object a line."""
