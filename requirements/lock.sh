#!/usr/bin/env bash
# Makes the hash-locked files anew. torch comes by its pin (requirements/torch.txt), not from a lock: which build
# of it is right (CPU, CUDA) is the machine's package configuration to say, and so its CUDA libraries are left out too.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
torch_brings=$("$uv" pip compile requirements/torch.txt --python-version 3.11 -q --no-header --no-annotate |
  sed -nE 's/^((nvidia|cuda)-[a-z0-9-]+|triton|torch)==.*/\1/p')
compile() { # compile OUTPUT ARGUMENTS...
  local output=$1
  shift
  # shellcheck disable=SC2046,SC2086 # one word a package is what is wanted
  "$uv" pip compile "$@" $(printf -- '--no-emit-package %s ' $torch_brings) --generate-hashes --no-annotate \
    --python-version 3.11 --no-header --quiet --output-file "$output"
}
compile requirements/cpu.lock pyproject.toml --extra cpu
compile requirements/gpu.lock pyproject.toml --extra gpu
compile requirements/dev.lock --group dev --constraint requirements/cpu.lock
compile requirements/protos.lock --group protos
compile requirements/train.lock requirements/train.txt --no-deps
compile requirements/oracles.lock requirements/oracles.txt --no-deps
compile requirements/kubectl.lock requirements/kubectl.txt --no-deps

# One a container image: the part of what is locked already that is imported there.
compile_image() { # compile_image NAME LOCK
  compile "requirements/images/$1.lock" "requirements/images/$1.txt" --constraint "$2" --constraint requirements/torch.txt
}
for image in gateway monitor models torchserve-cpu build; do
  compile_image "$image" requirements/cpu.lock
done
compile_image torchserve-gpu requirements/gpu.lock
