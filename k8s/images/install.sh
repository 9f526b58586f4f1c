#!/usr/bin/env bash
# Runs inside the build: fills the venv of an image.
#   install.sh LOCK [PINS]     of requirements/: LOCK.lock in images/, with hashes; PINS, a file without (torch)
set -euo pipefail
install=(python -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile)
"${install[@]}" --require-hashes --no-deps --requirement "/src/requirements/images/$1.lock"
if [[ $# -gt 1 ]]; then
  "${install[@]}" --requirement "/src/requirements/$2"
fi
python -m pip --python /opt/venv/bin/python check
packages=/opt/venv/lib/python3.11/site-packages
if [[ $1 == *-gpu && ! -d $packages/nvidia ]]; then
  echo "WARNING: pip's settings gave a torch without CUDA's libraries: this image will not use a GPU" >&2
elif [[ $1 != *-gpu && -d $packages/nvidia ]]; then
  echo "WARNING: pip's settings gave a torch with CUDA's libraries: this image is gigabytes too large" >&2
fi

# Headers, tools to compile with, and tests: a quarter of torch. What is left is what runs.
rm -rf "$packages"/torch/{include,test} "$packages"/torch/bin/{*Test,test_*,protoc*,*.ptl}
for package in networkx numpy scipy sympy; do
  [[ ! -d $packages/$package ]] || find "$packages/$package" -type d -name tests -prune -exec rm -rf {} +
done
# The root is read-only: what is not compiled now would be compiled at every start. No source changes under it.
# (What is left out is written for later versions of Python, and for torch's own tests.)
python -m compileall -q -j 0 -x /torch/testing/_internal/ --invalidation-mode unchecked-hash "$packages"
