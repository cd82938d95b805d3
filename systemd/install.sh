#!/bin/sh
# Installs Ordo as a service from this folder, or puts a newer one in its place:
#   sudo sh systemd/install.sh [--wheels DIR]     with --wheels nothing is fetched: all wheels lie in DIR
#   sudo sh systemd/install.sh --uninstall        journal, configuration and secrets stay
# Journal, sessions and configuration are never touched: /var/lib/ordod and /etc/ordod belong to those who run it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
units=/etc/systemd/system

say() { echo "ordo: $*"; }
stop() { echo "ordo: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || stop "run it as root: sudo sh $0"
command -v systemctl >/dev/null || stop "there is no systemd here"

wheels=
case "${1:-}" in
    "") ;;
    --wheels) [ -d "${2:-}" ] || stop "--wheels wants a folder; ${2:-nothing} is none"; wheels=$(cd "$2" && pwd) ;;
    --uninstall)
        systemctl disable --now ordod.service ordod.socket 2>/dev/null || true
        rm -rf /opt/ordod "$units/ordod.service" "$units/ordod.socket" /usr/local/bin/ordod /usr/local/bin/ordoctl
        rm -f /usr/lib/sysusers.d/ordod.conf /usr/lib/tmpfiles.d/ordod.conf
        systemctl daemon-reload
        say "gone. /etc/ordod and /var/lib/ordod stay: the journal is the record of your orders"
        exit 0 ;;
    *) stop "what is $1? See the top of $0" ;;
esac

"$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' ||
    stop "Python 3.11 or newer with venv is needed (Debian: apt install python3-venv); PYTHON=... names another"

# Made beside the one that runs and put in its place: a failed install leaves the old one as it was. A virtual environment knows
# its own place, so its programs are told where it will stand.
rm -rf /opt/ordod.new
"$python" -m venv /opt/ordod.new
if [ -n "$wheels" ]; then
    /opt/ordod.new/bin/pip install --quiet --no-index --find-links "$wheels" ordod
else
    /opt/ordod.new/bin/pip install --quiet "$here/.."
fi
/opt/ordod.new/bin/ordod --version >/dev/null || stop "what was installed does not run; nothing was changed"
sed -i 's#/opt/ordod\.new#/opt/ordod#' /opt/ordod.new/bin/* 2>/dev/null || true

install -m 644 "$here/ordod.sysusers" /usr/lib/sysusers.d/ordod.conf
install -m 644 "$here/ordod.tmpfiles" /usr/lib/tmpfiles.d/ordod.conf
systemd-sysusers ordod.conf
systemd-tmpfiles --create ordod.conf
[ -e /etc/ordod/ordod.conf ] || install -m 640 -o root -g ordod "$here/../ordod.conf.example" /etc/ordod/ordod.conf
install -m 644 "$here/ordod.service" "$here/ordod.socket" "$units/"

was_running=no
systemctl is-active --quiet ordod.service && was_running=yes
rm -rf /opt/ordod.old
[ ! -d /opt/ordod ] || mv /opt/ordod /opt/ordod.old
mv /opt/ordod.new /opt/ordod
rm -rf /opt/ordod.old
ln -sf /opt/ordod/bin/ordod /opt/ordod/bin/ordoctl /usr/local/bin/

systemctl daemon-reload
systemctl enable --quiet ordod.socket ordod.service
if [ "$was_running" = yes ]; then
    systemctl restart ordod.service
    say "upgraded and restarted: $(/opt/ordod/bin/ordod --version)"
else
    systemctl start ordod.socket ordod.service
    say "installed and running: $(/opt/ordod/bin/ordod --version)"
fi
say "an account, its secrets and a first order: sudo ordoctl setup; is all well: sudo ordoctl doctor"
say "the configuration is /etc/ordod/ordod.conf; who may place orders is in the group ordo and in its [access]"
