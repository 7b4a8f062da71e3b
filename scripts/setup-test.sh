#!/bin/sh
# What the tests need beside Python: PostgreSQL's server binaries and a Chromium. Installs what is missing.
set -eu
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else
        echo "This needs root, and there is no sudo here. Please have an administrator run: $*" >&2
        exit 1
    fi
}

updated=
apt_install() {
    [ -n "$updated" ] || { echo "==> Refreshing the package lists (apt)"; as_root apt-get update -qq; updated=yes; }
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

have_postgresql() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}
have_chromium() {
    # Ubuntu's chromium-browser package only points at a snap, which does not start in containers or for tests.
    for name in chromium google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    ls "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium-* >/dev/null 2>&1
}

if ! have_postgresql; then
    echo "==> Installing PostgreSQL (apt); the tests start a server of their own and touch no other"
    apt_install postgresql
fi
if ! have_chromium; then
    . /etc/os-release
    if [ "${ID:-}" = ubuntu ]; then
        echo "==> Installing a Chromium for the browser tests (playwright)"
        as_root .venv/bin/python -m playwright install-deps chromium >/dev/null
        .venv/bin/python -m playwright install chromium
    else
        echo "==> Installing Chromium for the browser tests (apt, about 100 MB)"
        apt_install chromium fonts-dejavu-core
    fi
fi
touch .venv/.test
