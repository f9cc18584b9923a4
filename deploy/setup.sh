#!/usr/bin/env bash
# Install what `make run` (argument: run) or `make test` (argument: test) needs. Repeating it costs a moment.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-run}

say() { echo "$*" >&2; }
fail() { say "$*"; exit 1; }

sudo_word=""
[ "$(id -u)" = 0 ] || sudo_word="sudo "

# --- Python ---------------------------------------------------------------------------------------------------

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null && new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is missing: type ${sudo_word}apt-get install python3"
}

# --- System packages --------------------------------------------------------------------------------------------

have() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

certificates=/etc/ssl/certs/ca-certificates.crt

system_packages() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ -e "$certificates" ] || echo ca-certificates
    if [ "$mode" = test ] || [ -z "${FOREWARN_BROKER_URL:-}" ]; then
        have mosquitto || echo mosquitto
    fi
    # An offer, not a need: without it the PostgreSQL from our dependencies runs.
    if [ "$(id -u)" = 0 ] && [ -z "${FOREWARN_DATABASE_URL:-}" ] && ! compgen -G "/usr/lib/postgresql/*/lib/timescaledb.so" >/dev/null; then
        echo "timescaledb?"
    fi
    if [ "$mode" = test ]; then
        have openssl || echo openssl
        have chromium || have google-chrome || echo chromium
        # what drives the browser in the tests is a program of its own that needs this library
        compgen -G "/usr/lib/*/libatomic.so.1" >/dev/null || compgen -G "/usr/lib*/libatomic.so.1" >/dev/null || echo libatomic1
        compgen -G "/usr/share/fonts/opentype/noto/NotoSansCJK*" >/dev/null || echo fonts-noto-cjk
        if [ "$(id -u)" = 0 ]; then have debootstrap || echo debootstrap; fi
    fi
}

# --- Python packages --------------------------------------------------------------------------------------------

# uv does not read pip's settings: a certificate or mirror that somebody gave to pip must reach it through us.
pip_setting() { .venv/bin/python -m pip config get "$1" 2>/dev/null || true; }

prepare_network() {
    local given
    given=${PIP_CERT:-$(pip_setting global.cert)}
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "$given" ] && [ -e "$given" ]; then export SSL_CERT_FILE=$given; fi
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -e "$certificates" ]; then export SSL_CERT_FILE=$certificates; fi
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-120} UV_LINK_MODE=${UV_LINK_MODE:-copy} UV_NO_PROGRESS=1
    index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip_setting global.index-url)}}}
}

install_python_packages() {
    local groups=(--no-default-groups --group pages)
    [ "$mode" = test ] && groups=(--group dev)
    if [ -n "$index" ] && [[ $index != https://pypi.org/* ]]; then
        # The lock names PyPI's addresses; through a mirror the same versions are checked by the same hashes.
        .venv/bin/uv export -q --frozen --extra server "${groups[@]}" --no-emit-project -o .venv/locked.txt
        .venv/bin/uv pip install -q --python .venv/bin/python --default-index "$index" --require-hashes -r .venv/locked.txt
        .venv/bin/uv pip install -q --python .venv/bin/python --default-index "$index" --no-deps -e .
    else
        # --inexact: `make run` after `make test` must not take the tests' packages away
        .venv/bin/uv sync -q --frozen --inexact --extra server "${groups[@]}"
    fi
}

# ----------------------------------------------------------------------------------------------------------------

python=$(find_python)
mapfile -t packages < <(system_packages)
stamp=$(cat pyproject.toml uv.lock hatch_build.py "$0" | sha256sum | cut -c1-64)
stamp="$stamp $("$python" -c 'import sys; print(sys.version_info[:2], sys.prefix)') $PWD"
needed=()
for package in "${packages[@]}"; do
    # whether apt offers TimescaleDB is asked once, since asking takes its time
    [[ $package == *\? && -e .venv/.asked-for-timescaledb ]] || needed+=("$package")
done
if [ "${#needed[@]}" -gt 0 ]; then
    "$python" -m gateway.supervise.packages "${needed[@]}" || exit 1
fi

if [ ! -x .venv/bin/python ] || ! new_enough .venv/bin/python || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "Creating .venv with $("$python" --version) ..."
    rm -rf .venv
    "$python" -m venv .venv || fail "Python could not make .venv here: type ${sudo_word}apt-get install python3-venv"
fi
touch .venv/.asked-for-timescaledb

if [ "$(cat ".venv/.installed-$mode" 2>/dev/null)" != "$stamp" ]; then
    prepare_network
    if ! .venv/bin/uv --version >/dev/null 2>&1; then
        say "Installing uv ..."
        .venv/bin/python -m pip install -q --disable-pip-version-check "uv>=0.8" || fail "pip could not install uv: check the network, then again."
    fi
    say "Installing the locked Python packages ..."
    install_python_packages || fail "Some Python packages could not be installed (see above): check the network, then again."
    echo "$stamp" > ".venv/.installed-$mode"
fi

.venv/bin/python hatch_build.py
