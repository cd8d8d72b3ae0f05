#!/usr/bin/env bash
# Writes the *_pb2.py files anew from the .proto files, with the protoc of the locked grpcio-tools: `protos/update.sh`.
set -euo pipefail
cd "$(dirname "$0")/../../.."
python="../.venv/bin/python"
"$python" -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. ropewalk_server/protocols/protos/*.proto
