#!/usr/bin/env bash
# Runs inside the build: says what is in an image's venv, its software bill of materials (CycloneDX).
#   describe.sh IMAGE
set -euo pipefail
mkdir /opt/sbom
PYTHONPATH=/opt/code/opt/venv/lib/python3.11/site-packages \
  cyclonedx-py environment --output-reproducible --output-file "/opt/sbom/$1.cdx.json" /opt/venv/bin/python
