"""Messages of the gRPC protocols; `update.sh` writes the `*_pb2.py` files from the `.proto` files beside them."""
