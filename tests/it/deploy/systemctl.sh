#!/bin/bash
# Stands for systemctl where no systemd runs: starts a unit's ExecStart as its user, with its environment file, its state
# folder and its credentials; stops it with SIGTERM. Knows nothing of hardening, ordering or restarts.
set -euo pipefail
mkdir -p /run/units
of() { sed -n "s/^$2=//p" "/lib/systemd/system/$1.service" | tail -1; }
running() { [ -e "/run/units/$1" ] && kill -0 "$(cat "/run/units/$1")" 2>/dev/null; }
start() {
    running "$1" && return
    local user environment state load command
    user=$(of "$1" User); environment=$(of "$1" EnvironmentFile); state=$(of "$1" StateDirectory)
    load=$(of "$1" LoadCredential); command=$(of "$1" ExecStart); ARGS=""
    # shellcheck disable=SC1090 # the unit says which file
    [ -z "$environment" ] || . "$environment"
    [ -z "$state" ] || install -d -m 750 -o "$user" -g "$user" "/var/lib/$state"
    if [ -n "$load" ]; then
        rm -rf "/run/credentials/$1.service"
        install -d -m 700 -o "$user" "/run/credentials/$1.service"
        for secret in "${load#*:}"/*; do
            install -m 400 -o "$user" "$secret" "/run/credentials/$1.service/${load%%:*}_$(basename "$secret")"
        done
        export CREDENTIALS_DIRECTORY="/run/credentials/$1.service"
    fi
    command=${command//\$ARGS/$ARGS}
    # shellcheck disable=SC2086 # one word per argument
    setsid setpriv --reuid "${user:-root}" --regid "${user:-root}" --init-groups $command >> "/var/log/$1.log" 2>&1 &
    echo $! > "/run/units/$1"
}
stop() {
    running "$1" || return 0
    kill -TERM "$(cat "/run/units/$1")"
    for _ in $(seq 300); do running "$1" || return 0; sleep 0.1; done
    echo "$1 does not stop" >&2
    exit 1
}
verb=$1
shift
for unit in "$@"; do
    case "$unit" in -*) continue ;; esac
    unit=${unit%.service}
    [ -e "/lib/systemd/system/$unit.service" ] || { echo "no unit $unit" >&2; exit 5; }
    case "$verb" in
    start | enable) start "$unit" ;;
    stop) stop "$unit" ;;
    restart) stop "$unit"; start "$unit" ;;
    *) echo "systemctl $verb is not stood for" >&2; exit 1 ;;
    esac
done
