#!/usr/bin/env bash
# Make a fresh Debian 12 ready for 'make demo' and 'make test': programs, .venv, Keycloak.
# Installs what is missing and nothing else; the second time it only looks, in about a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# --- programs -----------------------------------------------------------------------------------

has_jdk() { # Keycloak 26 runs on Java 17 and later; the guard is compiled
    local major
    command -v javac >/dev/null &&
        major=$(java -version 2>&1 | sed -nE '1s/.*version "([0-9]+).*/\1/p') && [[ ${major:-0} -ge 17 ]]
}
find_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}
has() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }
has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
has_chinese_font() { compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK*' >/dev/null; }

missing=()
find_python >/dev/null || missing+=(python3.11 python3.11-venv)
has_jdk || missing+=(openjdk-17-jdk-headless)
has mvn || missing+=(maven)
has slapd || missing+=(slapd)
has ldapadd || missing+=(ldap-utils)
has_postgres || missing+=(postgresql)
has chromium || missing+=(chromium)
has_chinese_font || missing+=(fonts-noto-cjk)
has unzip || missing+=(unzip)
has openssl || missing+=(openssl)

install_programs() {
    local root=() policy=/usr/sbin/policy-rc.d made_policy=no log
    has apt-get || fail "these programs are missing: ${missing[*]}" \
        "this machine has no apt-get: install them in its own way, then run 'make setup' again"
    if [[ $(id -u) -ne 0 ]]; then
        has sudo || fail "these packages are missing and only root may install them:" \
            "  apt-get install --no-install-recommends ${missing[*]}" \
            "run that as root, then 'make setup' again"
        root=(sudo)
    fi
    say "installing ${missing[*]} (a minute or two)"
    # Debian starts a server when it installs one. Ours run with their own data on their own ports, so
    # the system's are told not to start: exit code 101 of policy-rc.d is "forbidden".
    if [[ ! -e $policy ]]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
    fi
    local done=yes
    log=$(mktemp)
    {
        "${root[@]}" apt-get update -qq &&
            "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o=Dpkg::Use-Pty=0 \
                --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 || done=no
    [[ $made_policy == no ]] || "${root[@]}" rm -f "$policy"
    [[ $done == yes ]] || tail -n 20 "$log" >&2
    rm -f "$log"
    [[ $done == yes ]] || fail "apt-get could not install ${missing[*]}" \
        "its own message is above; is there a network, and does /etc/apt name a mirror of Debian 12?"
    if [[ -d /run/systemd/system ]]; then # nor after a reboot, if it was we who brought them
        local service
        for service in slapd postgresql; do
            [[ " ${missing[*]} " != *" $service "* ]] || "${root[@]}" systemctl --quiet disable "$service" || true
        done
    fi
}

if [[ ${#missing[@]} -gt 0 ]]; then
    install_programs
else
    say "programs: all there"
fi

# --- .venv --------------------------------------------------------------------------------------

lock=requirements/development.txt
python=$(find_python) || fail "Python 3.11 with its venv module is still missing after installing it" \
    "run 'python3.11 -m venv /tmp/try' and see what it says"
wanted=$({ cat "$lock" pyproject.toml; "$python" -VV; pwd; } | sha256sum | cut -d' ' -f1)
stamp=.venv/setup-stamp
if [[ -x .venv/bin/python && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
    say ".venv: as the lock says"
else
    rm -f "$stamp"
    [[ -x .venv/bin/python ]] || {
        say "making .venv"
        "$python" -m venv --clear .venv
    }
    pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
    say "installing what $lock lists, every file checked by its hash (a minute or two)"
    "${pip[@]}" install --require-hashes -r "$lock" || fail "pip could not install $lock" \
        "no network? let pip reach a package index or a mirror ('pip config', PIP_INDEX_URL)" \
        "a hash that differs means another file than the locked one: do not go on, find out why"
    "${pip[@]}" install --no-deps --no-build-isolation -e . || fail "quanheng itself could not be installed" \
        "pip's message above names the file at fault"
    printf '%s\n' "$wanted" >"$stamp"
fi

# --- Keycloak -----------------------------------------------------------------------------------

say "Keycloak and guard: fetching and building them unless that was done (270 MB and a minute or two the first time)"
.venv/bin/python -m deploy.local.prepare || fail "Keycloak could not be made ready: see above"
say "ready"
