#!/bin/sh
# Installs Ordo as a service from this folder, or puts another version in the place of the one that is there:
#   sudo sh systemd/install.sh                         dependencies come from the package index, by pip
#   sudo sh systemd/install.sh --wheels DIR            nothing is fetched: all wheels, Ordo's too, lie in DIR
#   sudo sh systemd/install.sh --uninstall             configuration, journal and secrets stay
#   sudo sh systemd/install.sh --uninstall --purge     they go too, with the user and the group
# PYTHON=/path/to/python3.12 names the Python to use. Run twice it does the same again.
# An upgrade that does not start is taken back: what ran before runs again.
# Exit status: 0 done; 1 not done, and what was there is as it was (where it could not be, that is said); 2 usage.
set -eu
umask 022
unset PYTHONPATH PYTHONHOME
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
opt=/opt/ordod # a link to the release that runs, below $releases
releases=/opt/ordod-releases
units=/etc/systemd/system
state=/var/lib/ordod
began=no

say() { echo "ordo: $*"; }
stop() {
    echo "ordo: $*" >&2
    exit 1
}
usage() {
    echo "ordo: $* (usage: $0 [--wheels DIR | --uninstall [--purge]])" >&2
    exit 2
}

main() {
    wheels='' task=set_up purge=no
    while [ $# -gt 0 ]; do
        case $1 in
            --wheels)
                [ -n "${2:-}" ] || usage "--wheels wants a folder"
                [ -d "$2" ] || usage "--wheels $2: that is no folder"
                wheels=$(cd "$2" && pwd)
                shift ;;
            --uninstall) task=uninstall ;;
            --purge) purge=yes ;;
            *) usage "what is $1?" ;;
        esac
        shift
    done
    [ "$purge" = no ] || [ "$task" = uninstall ] || usage "--purge goes with --uninstall"
    [ -z "$wheels" ] || [ "$task" = set_up ] || usage "--wheels does not go with --uninstall"
    [ "$(id -u)" = 0 ] || stop "run it as root: sudo sh $0"
    command -v systemctl >/dev/null || stop "there is no systemd here; docs/install.md has other ways"
    cd / # nothing is imported from the folder that this was called in
    exec 9>/run/ordod-install.lock
    ! command -v flock >/dev/null || flock -n 9 || stop "another install is under way"
    "$task"
}

set_up() {
    can_be_installed
    trap 'gave_up $?' EXIT
    trap 'exit 1' HUP INT TERM
    release=$(made)
    began=yes

    users
    [ -e /etc/ordod/ordod.conf ] || install -m 640 -o root -g ordod "$here/../ordod.conf.example" /etc/ordod/ordod.conf
    was_installed=no
    [ ! -e "$units/ordod.service" ] || was_installed=yes
    was_running=no
    ! systemctl is-active --quiet ordod.service || was_running=yes
    before=$(readlink "$opt" || true)
    kept=$(mktemp -d "$releases/units.XXXXXX")
    if [ "$was_installed" = yes ]; then cp "$units/ordod.service" "$units/ordod.socket" "$kept/"; fi
    switch "$release" "$here"

    version=$("$opt/bin/ordod" --version)
    systemctl reset-failed ordod.service 2>/dev/null || true # a day's restarts are not the new version's
    if [ "$was_installed" = no ]; then
        systemctl enable --quiet ordod.socket ordod.service
        systemctl start ordod.socket ordod.service ||
            stop "$version is installed but does not start; its last words: journalctl -u ordod -n 20"
        say "installed and running: $version"
    elif [ "$was_running" = no ]; then
        say "upgraded, and not started, for it was not running: $version"
    elif systemctl restart ordod.service; then
        say "upgraded and restarted: $version"
    else
        take_back "$version"
    fi
    trap - EXIT
    tidy
    say "an account, its secrets and a first order: sudo ordoctl setup; is all well: sudo ordoctl doctor"
    say "the configuration is /etc/ordod/ordod.conf; who may place orders is in the group ordo and in its [access]"
}

# What can be known before anything is changed.
can_be_installed() {
    "$python" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        stop "Python 3.11 or newer with venv is needed (Debian: apt install python3-venv); PYTHON=... names another"
    if [ -n "$wheels" ]; then
        ls "$wheels"/ordod-*.whl >/dev/null 2>&1 || stop "there is no ordod-*.whl in $wheels: pip wheel -w $wheels . makes it and the others"
    elif [ ! -e "$here/../pyproject.toml" ]; then
        stop "this is no checkout: give the wheels that you have with --wheels DIR (nothing of the name ordod is fetched from an index)"
    fi
    for name in ordod ordoctl; do
        link=/usr/local/bin/$name
        if [ -e "$link" ] || [ -L "$link" ]; then
            [ "$(readlink "$link" || true)" = "$opt/bin/$name" ] || stop "$link is not ours: move it away"
        fi
    done
    [ ! -e "$opt" ] || [ -L "$opt" ] || stop "$opt is not ours: move it away"
}

# A new release beside the one that runs, in the place where it will stay: an environment knows its own path.
made() {
    mkdir -p "$releases"
    new=$(mktemp -d "$releases/XXXXXXXX")
    chmod 755 "$new"
    "$python" -I -m venv "$new" >&2
    pip="$new/bin/python -I -m pip install --quiet --disable-pip-version-check --no-input"
    if [ -n "$wheels" ]; then
        $pip --no-index --find-links "$wheels" ordod >&2 || stop "the wheels in $wheels are not enough"
    else
        $pip "$here/.." >&2 || stop "pip could not install it; without an index: --wheels DIR"
    fi
    "$new/bin/ordod" --version >&2 || stop "what was installed does not run"
    echo "$new"
}

users() {
    install -D -m 644 "$here/ordod.sysusers" /etc/sysusers.d/ordod.conf
    install -D -m 644 "$here/ordod.tmpfiles" /etc/tmpfiles.d/ordod.conf
    systemd-sysusers /etc/sysusers.d/ordod.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/ordod.conf
}

# From here on that release, with the units of that folder. One rename each: there is never half of one.
switch() {
    install -m 644 "$2/ordod.service" "$2/ordod.socket" "$units/"
    ln -sfn "$1" "$releases/next"
    mv -T "$releases/next" "$opt"
    ln -sfn "$opt/bin/ordod" "$opt/bin/ordoctl" /usr/local/bin/
    systemctl daemon-reload
}

# The new one did not start: it said why in the journal of the system. A newer journal of orders is refused by the older one, so
# nothing is risked by trying.
take_back() {
    say "$1 does not start; its last words:" >&2
    journalctl -u ordod --no-pager -o cat -n 5 >&2 || true
    [ -n "$before" ] || stop "and there is no version before it"
    switch "$before" "$kept"
    systemctl reset-failed ordod.service || true
    systemctl restart ordod.service || stop "the version before it does not start either: nothing runs. Look: journalctl -u ordod"
    stop "not upgraded: $("$opt/bin/ordod" --version) runs as before"
}

# However it ends: what nothing links to goes.
gave_up() {
    tidy
    [ "$1" = 0 ] || [ "$began" = yes ] || say "nothing was changed" >&2
}

tidy() {
    for one in "$releases"/*; do
        [ "$one" = "$(readlink "$opt" || true)" ] || rm -rf "$one"
    done
}

uninstall() {
    for unit in ordod.socket ordod.service; do
        if [ -e "$units/$unit" ]; then
            systemctl stop "$unit" || stop "$unit does not stop; nothing was removed"
        fi
    done
    systemctl disable --quiet ordod.socket ordod.service 2>/dev/null || true
    rm -rf "$opt" "$releases" "$units/ordod.service" "$units/ordod.socket"
    for name in ordod ordoctl; do
        [ "$(readlink /usr/local/bin/$name || true)" != "$opt/bin/$name" ] || rm -f "/usr/local/bin/$name"
    done
    rm -f /etc/sysusers.d/ordod.conf /etc/tmpfiles.d/ordod.conf
    if [ "$purge" = yes ]; then
        rm -rf /etc/ordod "$state" "$units/ordod.service.d" "$units/ordod.socket.d"
        if id ordod >/dev/null 2>&1; then userdel ordod; fi
        if getent group ordo >/dev/null; then groupdel ordo; fi
    fi
    systemctl daemon-reload
    systemctl reset-failed ordod.service 2>/dev/null || true
    if [ "$purge" = yes ]; then
        say "gone, with journal, configuration and secrets"
    else
        say "gone. /etc/ordod and $state stay: the journal is the record of your orders"
    fi
}

main "$@"
