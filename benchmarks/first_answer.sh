#!/usr/bin/env bash
# How long from nothing to the first explained answer: clones this repository's last commit into an empty folder, runs
# `make run` there in a bare environment (PATH, HOME and pip's settings), then the command that it prints; and how long a
# second `make run` takes until it is ready.
# Usage: benchmarks/first_answer.sh [torchserve|embedded]
set -euo pipefail

backend=${1:-torchserve}
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
place=$(mktemp -d)
mapfile -t pip_settings < <(env | grep '^PIP_' || true)
read -r grpc http inference management metrics monitor < <(python3.11 -c '
import socket
probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
print(*(probe.getsockname()[1] for probe in probes))')

bare() {
  env -i PATH="$PATH" HOME="$HOME" "${pip_settings[@]}" \
    ATTENDANT_GRPC_PORT="$grpc" ATTENDANT_HTTP_PORT="$http" \
    ATTENDANT_TORCHSERVE_ADDRESS="127.0.0.1:$inference" \
    ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS="127.0.0.1:$management" \
    ATTENDANT_MONITOR_PORT="$monitor" ATTENDANT_STACK_METRICS_ADDRESS="127.0.0.1:$metrics" "$@"
}

finish() {
  if [ -d "$place/attendant/.run" ]; then bare make -C "$place/attendant" stop >/dev/null || true; fi
  rm -rf "$place"
}
trap finish EXIT

began=$EPOCHREALTIME
seconds() { awk -v began="$began" -v now="$EPOCHREALTIME" 'BEGIN { printf "%.1f", now - began }'; }
say() { printf '%6s s  %s\n' "$(seconds)" "$1"; }

git clone --quiet "$repository" "$place/attendant"
cd "$place/attendant"
say "cloned"
mkfifo "$place/lines"

# Starts the service and reads what it says until it is ready; `command` is then what it says to try.
run() {
  command=
  bare make run BACKEND="$backend" >"$place/lines" 2>&1 &
  while IFS= read -r line; do
    say "$line"
    case $line in *"attendant explain "*) command=$line && break ;; esac
  done <"$place/lines"
  if [ -z "$command" ]; then
    echo "the service did not start" >&2
    exit 1
  fi
}

run
bare bash -c "$command" >"$place/answer"
say "answered"
first=$(seconds)
cat "$place/answer"

bare make stop
began=$EPOCHREALTIME
run
second=$(seconds)
echo "from clone to first explained answer: $first s"
echo "second make run until ready: $second s"
