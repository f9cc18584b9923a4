#!/usr/bin/env bash
# Score the detectors on every recorded fleet below a folder; say so when there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
fleets=$1
out=$2

if ! compgen -G "$fleets/*/fleet.json" >/dev/null; then
    echo "SKIPPED: no recorded fleet in $fleets (set FLEETS)" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi
for fleet in "$fleets"/*/fleet.json; do
    folder=$(dirname "$fleet")
    echo "== $(basename "$folder")" >&2
    .venv/bin/forewarn evaluate "$folder" --out "$out/$(basename "$folder")"
done
