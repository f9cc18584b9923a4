#!/usr/bin/env bash
# Score our detectors and the usual simple ones on every recorded fleet below a folder, and write docs/models.md's
# figures; say so when there is none. With CLUSTER=tcp://HOST:8786 the work is done by the workers of a Dask cluster
# (deploy/cluster/dask.md) instead of this machine's cores.
set -euo pipefail
cd "$(dirname "$0")/.."
fleets=$1
out=$2

if ! compgen -G "$fleets/*/fleet.json" >/dev/null; then
    echo "SKIPPED: no recorded fleet in $fleets (set FLEETS)" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 # one process per core: threads that wait for it only cost
exec .venv/bin/python -m ml.comparison "$fleets" --out "$out" --page docs/models.md \
    ${JOBS:+--jobs "$JOBS"} ${CLUSTER:+--cluster "$CLUSTER"}
