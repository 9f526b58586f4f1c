#!/usr/bin/env bash
# Lints the contract and refuses breaking changes against main. buf wants every import in its workspace, so the one file
# that comes from a package (google.rpc.Status) is put beside copies of ours in a scratch folder.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
google=$(.venv/bin/python -c 'import google.rpc; print(google.rpc.__path__[0])')
workspace() { # workspace FOLDER: completes a copy of protos/
  mkdir -p "$1/google/rpc"
  cp "$google/status.proto" "$1/google/rpc/"
}
cp -r protos "$scratch/now"
workspace "$scratch/now"
.venv/bin/buf lint "$scratch/now"
.venv/bin/buf format --diff --exit-code "$scratch/now" --path "$scratch/now/attendant"
base=$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main || true)
if [ -n "$base" ] && git cat-file -e "$base:protos/buf.yaml" 2>/dev/null; then
  git archive --prefix=base/ "$base:protos" | tar -x -C "$scratch"
  workspace "$scratch/base"
  .venv/bin/buf breaking "$scratch/now" --against "$scratch/base"
fi
