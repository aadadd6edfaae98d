#!/bin/sh
# All GPU measurements in one call of under ten minutes: sh benchmarks/gpu.sh WHEELS [options of gpu.py]
# WHEELS is a folder of the packages that the machine lacks (benchmarks/README.md says how it is made), or - for none.
set -eu
wheels=$1
shift
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if [ "$wheels" != - ]; then
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$wheels"/*.whl
fi
cd "$(dirname "$0")/.."
PYTHONPATH="$PWD:$site" KERAS_BACKEND=jax PYTHONUNBUFFERED=1 python3 benchmarks/gpu.py "$@"
