#!/bin/sh
# A private Exim for comparison, with cut-through delivery: its own configuration, spool and log under
# target/, one port on loopback, everything relayed to the sink.
#
#   bench/exim.sh start PORT SINK-PORT
#   bench/exim.sh stop
#
# Debian's Exim was built for an account of its own name. Where the machine has none, a namespace of its
# own shows it one; so it needs root.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tree="$root/target/peers/tree"
place="$root/target/exim"
triplet=$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")

fail() {
    echo "exim: $*" >&2
    exit 1
}

configure() {
    port=$1
    sink_port=$2
    rm -rf "$place"
    mkdir -p "$place/spool" "$place/log"
    chown -R nobody:nogroup "$place/spool" "$place/log"
    # What the measurements were agreed on: see the comparison's terms in docs/performance.md.
    cat >"$place/exim.conf" <<CONFIGURATION
exim_user = nobody
exim_group = nogroup
spool_directory = $place/spool
log_file_path = $place/log/%slog
pid_file_path = $place/exim.pid
keep_environment =
primary_hostname = relay.example.org
local_interfaces = 127.0.0.1
daemon_smtp_ports = $port
tls_advertise_hosts =
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
smtp_accept_max = 500
smtp_accept_max_per_connection = 100000
smtp_enforce_sync = false
host_lookup =
rfc1413_query_timeout = 0s
begin acl
acl_rcpt:
  accept control = cutthrough_delivery
acl_data:
  accept
begin routers
smart:
  driver = manualroute
  transport = rsmtp
  route_list = * 127.0.0.1
  self = send
begin transports
rsmtp:
  driver = smtp
  port = $sink_port
  hosts_try_prdr =
  connection_max_messages = 500
begin retry
* * F,2h,15m
CONFIGURATION
    for file in passwd group; do
        cp "/etc/$file" "$place/$file"
    done
    echo "Debian-exim:x:65534:65534::/nonexistent:/usr/sbin/nologin" >>"$place/passwd"
    echo "Debian-exim:x:65534:" >>"$place/group"
}

start() {
    [ "$(id -u)" = 0 ] || fail "needs root"
    [ -x "$tree/usr/sbin/exim4" ] || fail "scripts/peers.sh --bench brings it in"
    configure "$@"
    LD_LIBRARY_PATH="$tree/usr/lib/$triplet:$tree/lib/$triplet" unshare --mount sh -c "
        mount --bind '$place/passwd' /etc/passwd
        mount --bind '$place/group' /etc/group
        exec '$tree/usr/sbin/exim4' -C '$place/exim.conf' -bd" || fail "does not start"
}

stop() {
    [ -s "$place/exim.pid" ] || return 0
    pid=$(cat "$place/exim.pid")
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
        "$tree"/*) kill "$pid" 2>/dev/null || true ;;
    esac
    rm -f "$place/exim.pid"
}

case "${1:-}" in
    start) shift && start "$@" ;;
    stop) stop ;;
    *) fail "start PORT SINK-PORT, or stop" ;;
esac
