#!/bin/sh
# Check every path of the GPU against the CPU, and measure its speed, in at most eight minutes after the installation:
#     benchmarks/gpu.sh [--interpret] [--data FILE]
# benchmarks/gpu.py describes it. GPU_PYTHON names an interpreter in whose environment the project is installed
# already; without it, `make install` makes .venv.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${GPU_PYTHON:-}" ]; then
  make --no-print-directory install >&2
  GPU_PYTHON=.venv/bin/python
fi
unset PYTHONDONTWRITEBYTECODE # every process would compile every module
exec "$GPU_PYTHON" benchmarks/gpu.py "$@"
