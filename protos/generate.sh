#!/usr/bin/env bash
# Generates the Python stubs from protos/ into the package tree. Usage: protos/generate.sh [OUTPUT] (default: the repository)
set -euo pipefail
cd "$(dirname "$0")/.."
output=${1:-.}
python=${PROTOS_PYTHON:-.venv-protos/bin/python}
bin=$(dirname "$python")
export PATH="$bin:$PATH" # protoc finds protoc-gen-mypy there
rpc=$("$python" -c 'import grpc_tools, pathlib; print(pathlib.Path(grpc_tools.__file__).parent / "_proto")')
google=$("${GOOGLE_PYTHON:-.venv/bin/python}" -c 'import google.rpc, pathlib; print(pathlib.Path(google.rpc.__path__[0]).parents[1])')
find protos -name '*.proto' -printf '%P\n' | sort | xargs "$python" -m grpc_tools.protoc \
  -I protos -I "$rpc" -I "$google" --python_out="$output" --mypy_out="quiet:$output"
for folder in attendant/v1 attendant/worker attendant/worker/v1 attendant/torchserve; do touch "$output/$folder/__init__.py"; done
