#!/usr/bin/env bash
# Makes .venv with what requirements/run.txt pins (and, with the word "tests", requirements/test.txt too), the command
# .venv/bin/deskhand, and the compiled translations. Quick when nothing has changed. Needs Python 3.11 and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
root=$PWD

say() { printf '%s\n' "$*"; }

require_python() {
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "Deskhand needs Python 3.11 or newer; '$python' is not. Choose another: make PYTHON=/path/to/python3.11"
        exit 1
    fi
}

require_venv_module() {
    "$python" -c 'import venv, ensurepip' 2>/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing python3-venv …"
        local log
        log=$(mktemp)
        export DEBIAN_FRONTEND=noninteractive
        if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } >"$log" 2>&1; then
            tail -n 20 "$log"
            say "apt-get could not install it; the whole log is in $log"
            exit 1
        fi
        rm -f "$log"
    else
        say "Python's venv module is missing. Install it, then try again: sudo apt-get install python3-venv"
        exit 1
    fi
}

make_environment() {
    .venv/bin/python -c 'import pip' 2>/dev/null && return
    require_venv_module
    say "Creating the Python environment in .venv …"
    rm -rf .venv
    "$python" -m venv .venv
}

# install NAME: what requirements/NAME.txt pins, unless that was done for the same pins and the same Python.
install() {
    local stamp=.venv/installed-$1 wanted
    wanted="$(.venv/bin/python --version) $(cksum <"requirements/$1.txt")"
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    local total
    total=$(grep -c '^[a-z0-9].*==' "requirements/$1.txt")
    say "Installing $total packages (wheels only, checked by hash) …"
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --only-binary :all: --require-hashes -r "requirements/$1.txt" >.venv/pip.log 2>&1 &
    local pip=$!
    while kill -0 $pip 2>/dev/null; do
        sleep 2
        kill -0 $pip 2>/dev/null || break
        local found
        found=$(grep -c -e '^Collecting' -e '^Processing' -e '^Requirement already' .venv/pip.log || true)
        if [ "$found" -lt "$total" ]; then say "  … $found of $total"; else say "  … unpacking"; fi
    done
    if ! wait $pip; then
        tail -n 20 .venv/pip.log
        say "The packages could not be installed; the whole log is in .venv/pip.log"
        exit 1
    fi
    printf '%s' "$wanted" >"$stamp"
}

# The package is run from where it stands: a path file instead of a build.
link_package() {
    local site
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$root" >"$site/deskhand.pth"
    cat >.venv/bin/deskhand <<END
#!$root/.venv/bin/python
import sys

from deskhand.cli.main import main

sys.exit(main())
END
    chmod +x .venv/bin/deskhand
}

compile_translations() {
    [ -d deskhand/locale ] || return 0
    local po
    for po in deskhand/locale/*/LC_MESSAGES/*.po; do
        [ -e "$po" ] || continue
        [ "${po%.po}.mo" -nt "$po" ] && continue
        .venv/bin/pybabel --quiet compile --input-file "$po" --output-file "${po%.po}.mo"
    done
}

require_python
make_environment
install run
if [ "${1:-}" = tests ]; then install test; fi
link_package
compile_translations
