#!/bin/sh
# Compile requirements.lock from pyproject.toml: one file, hashed, for every Python and system we support; and
# tools/schemathesis.lock in the same way, for an environment of its own.
#
# uv only compiles here, from a scratch environment of its own; it is never needed to install.
# LOCK_ARGS=--upgrade takes the newest of everything, LOCK_ARGS='--upgrade-package aiohttp' of one.
set -eu
cd "$(dirname "$0")/.."
scratch=.cache/lock

make --silent --no-print-directory .venv
[ -x "$scratch/bin/uv" ] || {
    .venv/bin/python -m venv --clear "$scratch"
    "$scratch/bin/python" -m pip install --quiet --disable-pip-version-check uv
}
compile() {
    # shellcheck disable=SC2086  # LOCK_ARGS is a list of words
    "$scratch/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-strip-extras ${LOCK_ARGS:-} "$@"
}
compile --group local --group dev pyproject.toml --output-file requirements.lock
echo schemathesis | compile - --output-file tools/schemathesis.lock
if grep -n '://' requirements.lock tools/schemathesis.lock; then
    echo "A lock names a host (above); it must install from any index." >&2
    exit 1
fi
git --no-pager diff --stat -- requirements.lock tools/schemathesis.lock
