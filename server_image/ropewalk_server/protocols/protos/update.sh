#!/usr/bin/env bash
# Writes the *_pb2.py files anew from the .proto files, with the protoc of the locked grpcio-tools: `protos/update.sh`.
# Those of ropewalk_model too: one protoc writes all of them.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
python="$PWD/.venv/bin/python"
(cd server_image && "$python" -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. ropewalk_server/protocols/protos/*.proto)
(cd model && "$python" -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. ropewalk_model/engines/*.proto)
