#!/bin/sh
# A private Postfix for comparison: its own configuration, queue and log under target/, one port on
# loopback, everything relayed to the sink. It shares nothing with a Postfix that the machine may have.
#
#   bench/postfix.sh start PORT SINK-PORT
#   bench/postfix.sh stop
#
# Postfix drops its rights to accounts of its own, so it needs root; the accounts mail and uucp, which
# every Debian has, stand in for postfix and postdrop, which only an installation makes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tree="$root/target/peers/tree"
daemons="$tree/usr/lib/postfix/sbin"
place="$root/target/postfix"
triplet=$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
LD_LIBRARY_PATH="$tree/usr/lib/postfix:$tree/usr/lib/$triplet:$tree/lib/$triplet"
export LD_LIBRARY_PATH

fail() {
    echo "postfix: $*" >&2
    exit 1
}

configure() {
    port=$1
    sink_port=$2
    rm -rf "$place"
    mkdir -p "$place/etc" "$place/queue/pid" "$place/data"
    for directory in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        mkdir -m 0700 "$place/queue/$directory"
        chown mail "$place/queue/$directory"
    done
    mkdir -m 0730 "$place/queue/maildrop"
    mkdir -m 0710 "$place/queue/public"
    chown mail:uucp "$place/queue/maildrop" "$place/queue/public"
    chown mail "$place/data"
    # What the measurements were agreed on: see the comparison's terms in docs/performance.md.
    cat >"$place/etc/main.cf" <<CONFIGURATION
compatibility_level = 3.6
queue_directory = $place/queue
data_directory = $place/data
daemon_directory = $daemons
command_directory = $tree/usr/sbin
shlib_directory = $tree/usr/lib/postfix
meta_directory = $place/etc
mail_owner = mail
setgid_group = uucp
import_environment = LD_LIBRARY_PATH MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ
export_environment = LD_LIBRARY_PATH TZ MAIL_CONFIG
alias_maps =
alias_database =
local_recipient_maps =
relayhost = [127.0.0.1]:$sink_port
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
smtpd_relay_restrictions = permit_mynetworks, reject
myhostname = relay.example.org
disable_dns_lookups = yes
smtp_host_lookup = native
default_process_limit = 200
smtp_destination_concurrency_limit = 100
default_destination_concurrency_limit = 100
initial_destination_concurrency = 50
qmgr_message_active_limit = 100000
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
smtp_tls_security_level = none
smtpd_tls_security_level = none
maillog_file = $place/log
maillog_file_prefixes = $place
CONFIGURATION
    cat >"$place/etc/master.cf" <<SERVICES
127.0.0.1:$port inet n - n - - smtpd
cleanup   unix  n - n - 0   cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - -   trivial-rewrite
bounce    unix  - - n - 0   bounce
defer     unix  - - n - 0   bounce
trace     unix  - - n - 0   bounce
verify    unix  - - n - 1   verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - -   proxymap
smtp      unix  - - n - -   smtp
relay     unix  - - n - -   smtp
error     unix  - - n - -   error
retry     unix  - - n - -   error
discard   unix  - - n - -   discard
anvil     unix  - - n - 1   anvil
scache    unix  - - n - 1   scache
postlog   unix-dgram n - n - 1 postlogd
SERVICES
}

answers() {
    python3 - "$1" <<'PROBE'
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as connection:
    sys.exit(0 if connection.recv(100).startswith(b"220") else 1)
PROBE
}

start() {
    [ "$(id -u)" = 0 ] || fail "a private Postfix needs root"
    [ -x "$daemons/master" ] || fail "run scripts/peers.sh --bench first"
    configure "$1" "$2"
    # A session of its own: at its end master signals its whole process group.
    MAIL_CONFIG="$place/etc" setsid "$daemons/master" -c "$place/etc" -d >"$place/output" 2>&1 &
    echo $! >"$place/process"
    attempt=0
    until answers "$1" 2>/dev/null; do
        attempt=$((attempt + 1))
        [ "$attempt" -lt 100 ] || fail "no answer on port $1: $(cat "$place/output" "$place/log" 2>/dev/null | tail -n 5)"
        sleep 0.1
    done
}

stop() {
    [ -e "$place/process" ] || return 0
    # master takes its services with it.
    kill -TERM "$(cat "$place/process")" 2>/dev/null || true
    rm -f "$place/process"
}

case "${1:-}" in
    start) start "$2" "$3" ;;
    stop) stop ;;
    *) fail "usage: bench/postfix.sh start PORT SINK-PORT | stop" ;;
esac
