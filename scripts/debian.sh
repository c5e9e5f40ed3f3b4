#!/usr/bin/env bash
# Installs the Debian packages that the tests need: at once as root, otherwise it says the one line that does.
# Nothing it installs is started, and nothing asks a question.
set -euo pipefail

packages=(
    chromium fonts-inter fonts-noto-cjk fonts-noto-color-emoji # pages in a real browser, and pictures of them
    libatomic1                                                # what drives the browser links to it
    postfix dovecot-core dovecot-imapd dovecot-lmtpd          # mail through real servers
    postgresql-15 pgbouncer                                   # an external database, and a pooler before it
    gettext                                                   # checks the translations
)

missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need these Debian packages; install them, then try again:"
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}"
    exit 1
fi

echo "Installing Debian packages: ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then # starts no service
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
debconf-set-selections <<<"postfix postfix/main_mailer_type select No configuration"
log=$(mktemp)
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log"
    echo "apt-get could not install them; the whole log is in $log"
    exit 1
fi
rm -f "$log"
