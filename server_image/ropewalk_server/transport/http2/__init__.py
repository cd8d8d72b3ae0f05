"""HTTP/2 and the unary calls of gRPC on it."""
