"""The protocol of TensorFlow Serving, over HTTP and gRPC, and the feedback endpoint."""
