#!/usr/bin/env bash
# All that can be checked without running the product. Every check runs; the exit status tells whether all passed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

check() {
    local name=$1
    shift
    echo "== $name" >&2
    "$@" || failed+=("$name")
}

check "ruff" .venv/bin/ruff check .
check "format" .venv/bin/ruff format --check -q .
check "types" .venv/bin/mypy
check "arrows" .venv/bin/lint-imports
[ ! -e gateway/migrate.py ] || check "migrations" .venv/bin/python -m gateway.migrate --check
[ ! -e gateway/texts.py ] || check "language keys" .venv/bin/python -m gateway.texts --check
[ ! -e gateway/web/package.json ] || check "pages" .venv/bin/python hatch_build.py check

if [ "${#failed[@]}" -gt 0 ]; then
    (IFS=,; echo "Failed: ${failed[*]}" >&2)
    exit 1
fi
