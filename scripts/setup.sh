#!/bin/sh
# Make .venv and install what the lock files name: `setup.sh runtime` or `setup.sh dev`. Says what it does.
set -eu
cd "$(dirname "$0")/.."
VENV=.venv

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else
        echo "This needs root, and there is no sudo here. Please have an administrator run: $*" >&2
        exit 1
    fi
}

find_python() {
    for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$candidate" ] || continue
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed and was not found. On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
    exit 1
}

if [ ! -x "$VENV/bin/python" ]; then
    python=$(find_python)
    echo "==> Making $VENV with $($python --version)"
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        echo "==> Installing python3-venv (apt)"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    fi
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
fi
if [ ! -x "$VENV/bin/uv" ]; then
    echo "==> Installing the installer (uv)"
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt ||
        echo "    not available for this machine; going on with pip, which is slower"
fi

install() {
    if [ -x "$VENV/bin/uv" ]; then "$VENV/bin/uv" pip install -q --python "$VENV/bin/python" --require-hashes "$@"
    else "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes "$@"; fi
}

case "${1:-runtime}" in
runtime)
    echo "==> Installing $(grep -c '==' requirements.txt) packages from requirements.txt (about 650 MB on disk with OR-Tools and Numba)"
    install -r requirements.txt
    echo "==> Compiling the planner's loops, once (up to a minute)"
    "$VENV/bin/python" -m optimiser
    touch "$VENV/.runtime"
    ;;
dev)
    echo "==> Installing the tests' packages from requirements-dev.txt"
    install -r requirements.txt -r requirements-dev.txt
    echo "==> Compiling the planner's loops, once (up to a minute)"
    "$VENV/bin/python" -m optimiser
    touch "$VENV/.runtime" "$VENV/.dev"
    ;;
*)
    echo "usage: $0 runtime|dev" >&2
    exit 2
    ;;
esac
