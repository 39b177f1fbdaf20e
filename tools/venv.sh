#!/bin/sh
# Make .venv from requirements.lock with the first fitting Python; say in one line what is missing.
#
# A candidate counts only when it really runs: version-manager shims exist for Pythons that do not,
# and Debian splits `ensurepip` off into a package of its own. PYTHON=... names the only candidate.
set -u
cd "$(dirname "$0")/.." || exit 1
venv=.venv
log=.cache/install.log

probe='import sys
version = "%d.%d.%d" % sys.version_info[:3]
if not (3, 11) <= sys.version_info[:2] <= (3, 13): print("version", version); sys.exit()
try: import venv, ensurepip
except ImportError as error: print("module", version, error.name); sys.exit()
print("good", version)'

reason='no Python was found'
chosen=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    answer=$("$candidate" -c "$probe" 2>/dev/null) || continue
    # shellcheck disable=SC2086  # the answer is a list of words
    set -- $answer
    case ${1:-} in
        good) chosen=$candidate version=$2 && break ;;
        module) reason="$candidate ($2) has no '$3' module (Debian, Ubuntu: apt install python${2%.*}-venv)" ;;
        version) case $reason in *module*) ;; *) reason="$candidate is $2" ;; esac ;;
    esac
done
if [ -z "$chosen" ]; then
    [ -n "${PYTHON:-}" ] && [ "$reason" = 'no Python was found' ] && reason="PYTHON=$PYTHON does not run"
    echo "Olivegrove needs Python 3.11, 3.12 or 3.13 with the venv module: $reason." >&2
    exit 1
fi

mkdir -p .cache
total=$(grep -c '==' requirements.lock)
echo "Making $venv with Python $version ($chosen)"
if ! "$chosen" -m venv --clear "$venv" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "Could not make $venv with $chosen; the lines above say why." >&2
    exit 1
fi

# The lock names everything, so pip resolves nothing (--no-deps): asked for `coverage[toml]`, it looked past the
# pin of `coverage` and failed on every machine from the day a newer release came out.
tty=0 && [ -t 1 ] && tty=1
{
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --no-deps --require-hashes --requirement requirements.lock 2>&1
    echo "pip-exit-status $?"
} | tee "$log" | awk -v total="$total" -v tty="$tty" '
    /^Collecting / && tty { printf "\r\033[K  fetching %d of at most %d: %s", ++count, total, $2; fflush() }
    /^Collecting / && !tty && ++count % 10 == 1 { printf "  fetching %d of at most %d: %s\n", count, total, $2; fflush() }
    /^Installing collected/ { if (tty) printf "\r\033[K"; print "  installing " count " packages"; fflush() }
    /^pip-exit-status / { status = $2 }
    END { exit status }'
status=$?
if [ "$status" -ne 0 ]; then
    grep -v '^pip-exit-status' "$log" | tail -n 10 >&2
    echo "Installing requirements.lock failed; all of it is in $log." >&2
    exit 1
fi
touch "$venv/installed"
