"""Transport: sockets, TLS, HTTP/1.1 and HTTP/2. It knows no prediction and no model."""
