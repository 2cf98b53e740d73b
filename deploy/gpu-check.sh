#!/usr/bin/env bash
# On a machine with a GPU: all tests marked `gpu`, and the throughput of encoders, training and search, in ten minutes.
# PYTHON names the interpreter of an environment with constraints-cuda.txt and the extras dev and service.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
"$python" -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "error: torch sees no CUDA device; install CUDA torch (constraints-cuda.txt), and check nvidia-smi")'
timeout 240 "$python" -m pytest -n0 -m gpu -rs tests
timeout 360 "$python" -m tagging.tools benchmarks gpu "$@"
