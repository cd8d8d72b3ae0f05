"""How clients speak to the server. A protocol is one file here and one line in `routing.py`."""
