#!/bin/sh
# The relay's rate beside its ceiling, beside Postfix and beside Exim's cut-through, all in one run on one
# machine: medians of three, and the ratios, which are what can be compared between machines.
#
#   bench/relay.sh                    4 KiB, 20 connections
#   BYTES=32000 bench/relay.sh        larger messages (smtp-source adds its header to them)
#   CONNECTIONS=1 bench/relay.sh      latency rather than throughput
#   MESSAGES=10000 bench/relay.sh     shorter runs (60,000 is what the published figures use)
#
# Needs root for the private Postfix and Exim. Run it on a quiet machine: source, sink and relay share it.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

bytes=${BYTES:-4096}
connections=${CONNECTIONS:-20}
messages=${MESSAGES:-60000}
postfix_messages=${POSTFIX_MESSAGES:-10000}
rounds=3
sink_port=2600
fastpath_port=2540
web_port=8540
postfix_port=2526
exim_port=2528
binary="${CARGO_TARGET_DIR:-target}/release/fastpath"
place="$root/target/bench"
token=bench-token-0123456789abcdef0123456789

fail() {
    echo "bench: $*" >&2
    exit 1
}

[ -x "$binary" ] || fail "$binary is missing: cargo build --release"
scripts/peers.sh --bench >/dev/null

relay=""
end() {
    [ -z "$relay" ] || kill -TERM "$relay" 2>/dev/null || true
    bench/postfix.sh stop
    bench/exim.sh stop
}
trap end EXIT
trap 'exit 130' INT TERM

start_fastpath() {
    rm -rf "$place/data"
    mkdir -p "$place/figures"
    rm -f "$place/figures/"*
    FASTPATH_DATA_DIR="$place/data" \
        FASTPATH_SMTP_LISTEN="127.0.0.1:$fastpath_port" \
        FASTPATH_WEB_LISTEN="127.0.0.1:$web_port" \
        FASTPATH_HOSTNAME=relay.example.org \
        FASTPATH_NEXT_HOP="smtp://127.0.0.1:$sink_port" \
        FASTPATH_API_TOKEN="$token" \
        "$binary" serve >"$place/log" 2>&1 &
    relay=$!
    attempt=0
    until FASTPATH_WEB_LISTEN="127.0.0.1:$web_port" "$binary" healthcheck >/dev/null 2>&1; do
        attempt=$((attempt + 1))
        [ "$attempt" -lt 100 ] || fail "fastpath does not become ready: $(tail -n 3 "$place/log")"
        sleep 0.1
    done
}

# Switches the path for everything that follows.
take_path() {
    python3 - "$1" "$web_port" "$token" <<'PATCH'
import json, sys, urllib.request
path, port, token = sys.argv[1:]
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/api/v1/settings",
    method="PATCH",
    data=json.dumps({"path": path}).encode(),
    headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
)
urllib.request.urlopen(request, timeout=10).close()
PATCH
}

# One run: its figure goes to the list of its name.
run() {
    name=$1
    port=$2
    count=$3
    figure=$(bench/relay_rate.py "$port" --sink-port "$sink_port" --messages "$count" \
        --bytes "$bytes" --connections "$connections" --figure-only) || fail "$name did not deliver everything"
    echo "$figure" >>"$place/figures/$name"
    printf '  %-11s %6s/s\n' "$name" "$figure"
}

median() {
    sort -n "$place/figures/$1" | sed -n "$((rounds / 2 + 1))p"
}

ratio() {
    awk -v of="$(median "$1")" -v to="$(median "$2")" 'BEGIN { printf "%.2f", of / to }'
}

start_fastpath
bench/postfix.sh start "$postfix_port" "$sink_port"
bench/exim.sh start "$exim_port" "$sink_port"
echo "$bytes bytes, $connections connections, $messages messages a run ($postfix_messages for Postfix and Exim)"
for round in $(seq "$rounds"); do
    echo "round $round"
    run straight "$sink_port" "$messages"
    take_path fast
    run fast "$fastpath_port" "$messages"
    take_path cut_through
    run cut-through "$fastpath_port" "$messages"
    take_path standard
    run standard "$fastpath_port" "$messages"
    run postfix "$postfix_port" "$postfix_messages"
    run exim "$exim_port" "$postfix_messages"
done

cat <<TABLE

| medians of $rounds     | messages/s | to straight | to Postfix |
|------------------|-----------:|------------:|-----------:|
| source to sink   | $(median straight) | 1 | $(ratio straight postfix) |
| Fastpath, fast   | $(median fast) | $(ratio fast straight) | $(ratio fast postfix) |
| Fastpath, standard | $(median standard) | $(ratio standard straight) | $(ratio standard postfix) |
| Fastpath, cut-through | $(median cut-through) | $(ratio cut-through straight) | $(ratio cut-through postfix), $(ratio cut-through exim) x Exim |
| Exim, cut-through | $(median exim) | $(ratio exim straight) | $(ratio exim postfix) |
| Postfix          | $(median postfix) | $(ratio postfix straight) | 1 |
TABLE
