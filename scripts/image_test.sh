#!/bin/sh
# Builds the image and puts a container of it through what containers go through.
#
#   scripts/image_test.sh              build, then every scene
#   scripts/image_test.sh --install    the same; Debian packages that are missing are installed first
#   scripts/image_test.sh --quick      the same without link-time optimisation: minutes sooner
#   scripts/image_test.sh --scenes     every scene on the image that the last run built
#   scripts/image_test.sh --clean      remove everything that this script has made
#
# Needs root, a Debian machine with buildah, podman, runc and debootstrap, and a Rust toolchain. No
# registry of images is asked: the base images are made here, from Debian's minimal system, one with
# a C compiler and this machine's toolchain to build on, one without any shell to run on. The crates
# are those that this machine's cargo has. Everything is kept under target/image, beside the
# machine's own containers. The scenes play in a network of their own, which has nothing but
# loopback: the image's ports are free there, and nothing gets out.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
state="$root/target/image"
peers="$root/target/peers/bin"
image=localhost/fastpath:test
token=token-of-the-image-test
sink=127.0.0.1:2600
# What compose.yaml gives a container to stop, in seconds.
grace=20
PATH="$PATH:/usr/sbin:/sbin"

say() { echo "image-test: $*"; }
fail() {
    echo "image-test: $*" >&2
    exit 1
}

# --- The machine ------------------------------------------------------------------------------------

require() {
    [ "$(id -u)" = 0 ] || fail "needs root, for mounts and for users inside the container"
    missing=""
    for tool in buildah podman runc debootstrap curl; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    for tool in ip:iproute2 unshare:util-linux; do
        command -v "${tool%:*}" >/dev/null || missing="$missing ${tool#*:}"
    done
    if [ -n "$missing" ] && [ "$install" = yes ]; then
        apt-get -qq update
        # shellcheck disable=SC2086 # a list of names
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
    elif [ -n "$missing" ]; then
        fail "missing:$missing; install them by hand (apt-get install$missing) or call this with --install"
    fi
    command -v cargo >/dev/null || fail "missing: a Rust toolchain, which the build stage borrows"
}

build_tool() { buildah --root "$state/storage" --runroot "$state/run" --storage-driver vfs "$@"; }

engine() {
    # Its complaints about a missing systemd, which would call the health checks, are left out.
    podman --log-level fatal --root "$state/storage" --runroot "$state/run" \
        --tmpdir "$state/engine" --storage-driver vfs --cgroup-manager cgroupfs --runtime runc --events-backend file "$@"
}

# --- The base images --------------------------------------------------------------------------------

# A minimal system of the machine's own release, which its toolchain surely runs on.
minimal_system() {
    debian=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ -n "$debian" ] || fail "this is no release of Debian that debootstrap could make"
    rm -rf "$1"
    debootstrap --variant=minbase ${2:+"--include=$2"} "$debian" "$1" >"$1.log" 2>&1 ||
        fail "debootstrap failed, see $1.log"
}

import_system() {
    tar -C "$1" --one-file-system -c . | engine import --quiet --change "$3" - "$2" >/dev/null
    rm -rf "$1"
}

run_base() {
    engine image exists localhost/fastpath-run-base && return
    say "making the base image to run on"
    minimal_system "$state/run-base"
    # What starts on this base has no use for a shell.
    for shell in sh dash bash; do
        rm -f "$state/run-base/bin/$shell" "$state/run-base/usr/bin/$shell"
    done
    import_system "$state/run-base" localhost/fastpath-run-base "ENV PATH=/usr/local/bin"
}

build_base() {
    engine image exists localhost/fastpath-build-base && return
    say "making the base image to build on"
    minimal_system "$state/build-base" gcc,libc6-dev,ca-certificates
    toolchain=$(rustc --print sysroot)
    for part in bin lib libexec; do
        [ ! -d "$toolchain/$part" ] || cp -a "$toolchain/$part" "$state/build-base/usr/local/"
    done
    import_system "$state/build-base" localhost/fastpath-build-base "ENV CARGO_HOME=/usr/local/cargo"
}

# --- The build --------------------------------------------------------------------------------------

build() {
    scripts/peers.sh
    run_base
    build_base
    say "building the image: some minutes"
    cargo fetch --quiet --locked
    arguments="--offline"
    if [ "$quick" = yes ]; then
        arguments="$arguments --config profile.release.lto=false --config profile.release.codegen-units=16"
        arguments="$arguments --config profile.release.opt-level=1"
    fi
    # Health checks need Docker's format of images.
    build_tool build --format docker --isolation chroot --pull=never \
        --build-arg BUILD_IMAGE=localhost/fastpath-build-base \
        --build-arg RUN_IMAGE=localhost/fastpath-run-base \
        --build-arg CARGO_ARGUMENTS="$arguments" \
        --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry:rw" \
        --tag "$image" . >"$state/build.log" 2>&1 ||
        fail "the build failed, see $state/build.log: $(tail -n 5 "$state/build.log")"
    # What the last build left without its name.
    engine image prune --force >/dev/null
    say "built: $(engine image inspect --format '{{.Size}}' "$image") bytes with its base"
}

# --- Containers -------------------------------------------------------------------------------------

volume=fastpath-image-test
restored=fastpath-image-test-restored
containers=""
sink_process=""

clean_up() {
    status=$?
    trap - EXIT
    for container in $containers; do
        engine container exists "$container" || continue
        [ $status = 0 ] || engine logs "$container" 2>&1 | tail -n 20 >&2 || true
        engine rm --force --volumes --time 0 "$container" >/dev/null 2>&1 || true
    done
    engine volume rm --force "$volume" "$restored" >/dev/null 2>&1 || true
    rm -rf "$state/backup"
    [ -z "$sink_process" ] || kill "$sink_process" 2>/dev/null || true
    exit $status
}

# Starts a container as compose.yaml does; what follows the name are further options. Podman alone
# would add writable places in memory to what is read-only.
start() {
    name=$1
    shift
    containers="$containers $name"
    engine run --detach --name "$name" --network host \
        --read-only --read-only-tmpfs=false --cap-drop ALL \
        --security-opt no-new-privileges --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 \
        --env "FASTPATH_NEXT_HOP=smtp://$sink" \
        --env "FASTPATH_API_TOKEN=$token" --env FASTPATH_HOSTNAME=relay.example.net \
        "$@" "$image" >/dev/null 2>"$state/start.log" || fail "no container: $(cat "$state/start.log")"
}

# Runs one command of the appliance in a container of its own, on this volume.
administer() {
    on=$1
    shift
    engine run --rm --network host \
        --read-only --read-only-tmpfs=false --cap-drop ALL --security-opt no-new-privileges \
        --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 --volume "$on:/data" \
        --volume "$state/backup:/backup" "$image" admin "$@" ||
        fail "fastpath admin $1 failed in a container"
}

until_true() {
    what=$1
    shift
    tries=300
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited in vain for $what"
        sleep 0.1
    done
}

is_healthy() { engine healthcheck run "$1"; }
remove() {
    engine rm --force --volumes --time 0 "$1" >/dev/null
}

api() {
    path=$1
    shift
    curl --silent --show-error --fail --max-time 10 --header "Authorization: Bearer $token" \
        --header "Content-Type: application/json" "$@" "http://127.0.0.1:8025/api/v1/$path"
}

send() {
    "$peers/swaks" --server 127.0.0.1:2525 --from sender@example.org --to recipient@example.net \
        --header "Subject: $1" --timeout 30 2>&1
}

# Runs the destination. It writes down each message that it takes.
sink_up() {
    "$peers/smtp-sink" -u root -D "$state/arrived" "$sink" 64 >/dev/null 2>&1 &
    sink_process=$!
    until_true "the destination" "$peers/swaks" --server "$sink" --quit-after BANNER
}

sink_down() {
    kill "$sink_process"
    wait "$sink_process" 2>/dev/null || true
    sink_process=""
}

has_arrived() { grep -q "^Subject: $1" "$state/arrived"; }
waits() { api queue | grep -q "\"total\":$1[,}]"; }

# --- The scenes -------------------------------------------------------------------------------------

starts_confined() {
    start confined --volume "$volume:/data"
    until_true "a healthy container" is_healthy confined
    process=$(engine inspect --format '{{.State.Pid}}' confined)
    grep -q "^Uid:	65532	65532	65532	65532$" "/proc/$process/status" || fail "it runs as another user"
    grep -q "^Gid:	65532	65532	65532	65532$" "/proc/$process/status" || fail "it runs as another group"
    grep -q "^CapEff:	0*$" "/proc/$process/status" || fail "it has capabilities"
    grep -q "^NoNewPrivs:	1$" "/proc/$process/status" || fail "it may gain privileges"
    awk '$5 == "/" { print $6 }' "/proc/$process/mountinfo" | grep -q "^ro\b" ||
        fail "its root file system can be written"
    [ ! -e "/proc/$process/root/bin/sh" ] || fail "its base has a shell: this shows less than it should"
    ! engine logs confined 2>&1 | grep -q "WARNING" || fail "it warns though it has a volume"
    say "starts read-only, without root and without a shell, and turns healthy"
}

relays() {
    sink_up
    send first | grep -q "250 2.0.0 Delivered" || fail "the message was not delivered at once"
    until_true "the message at the destination" has_arrived first
    sink_down
    say "relays a message"
}

stops_in_time() {
    began=$(date +%s)
    engine stop --time "$grace" confined >/dev/null
    took=$(($(date +%s) - began))
    code=$(engine inspect --format '{{.State.ExitCode}}' confined)
    [ "$code" = 0 ] || fail "it ended with $code"
    [ $took -lt "$grace" ] || fail "it took $took seconds to stop, and was killed"
    remove confined
    say "ends with 0 when it is stopped, within $took of $grace seconds"
}

keeps_its_queue() {
    start before --volume "$volume:/data"
    until_true "a healthy container" is_healthy before
    send second | grep -q "250 2.0.0 Queued" || fail "the message was not queued"
    # Not even a chance to stop: what was acknowledged is on the volume.
    remove before
    start after --volume "$volume:/data"
    until_true "a healthy container" is_healthy after
    until_true "the message in the new container's queue" waits 1
    backs_up
    sink_up
    api queue/actions --data '{"action":"retry","filter":{},"expect":1}' >/dev/null
    until_true "the queued message at the destination" has_arrived second
    until_true "an empty queue" waits 0
    say "keeps its queue when the container is made anew"
    turns_unhealthy after
    sink_down
    remove after
}

# Beside the container that runs, as the README says.
backs_up() {
    install --directory --owner 65532 --group 65532 --mode 700 "$state/backup"
    administer "$volume" backup /backup/today | grep -q "^1 message for 1 recipient " ||
        fail "the backup does not have the message"
    ! find "$state/backup" -perm /077 | grep -q . || fail "others may read the backup"
}

restores() {
    administer "$restored" restore /backup/today | grep -q "delivered again" ||
        fail "the restore does not say what it means"
    start restored --volume "$restored:/data"
    until_true "a healthy container" is_healthy restored
    until_true "the message in the restored queue" waits 1
    remove restored
    say "backs up beside a running container, and restores to a new volume"
}

turns_unhealthy() {
    engine pause "$1" >/dev/null 2>&1 || return 0
    # A paused container runs no check: its neighbour asks.
    start neighbour --tmpfs /data --entrypoint '["/usr/local/bin/fastpath","healthcheck"]'
    until_true "the check's end" ended neighbour
    [ "$(engine inspect --format '{{.State.ExitCode}}' neighbour)" = 1 ] ||
        fail "the check takes an appliance that does not answer for a healthy one"
    engine unpause "$1" >/dev/null
    remove neighbour
    say "the health check notices when nothing answers"
}
ended() { [ "$(engine inspect --format '{{.State.Status}}' "$1")" = exited ]; }

warns() {
    say_what=$1
    shift
    start warned "$@"
    until_true "a healthy container" is_healthy warned
    engine logs warned 2>&1 | grep -q "WARNING .*$say_what" || fail "no warning of “$say_what”"
    remove warned
    say "warns: $say_what"
}

scenes() {
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    rm -f "$state/arrived"
    touch "$state/arrived"
    engine volume rm --force "$volume" "$restored" >/dev/null 2>&1 || true
    rm -rf "$state/backup"
    ip link set lo up
    starts_confined
    relays
    stops_in_time
    keeps_its_queue
    restores
    warns "not a mount" --image-volume ignore --read-only=false
    warns "without a name"
    # runc gives such a mount to root, whatever it is asked for.
    warns "in memory" --tmpfs /data --user 0:0
    say "all well"
}

# --- The whole --------------------------------------------------------------------------------------

install=no
quick=no
cd "$root"
export TMPDIR="$state/temporary"
case "${1:-}" in
    --install) install=yes ;;
    --quick) quick=yes ;;
    --clean)
        rm -rf "$state"
        exit
        ;;
    --inside)
        scenes
        exit
        ;;
    --scenes | "") ;;
    *) fail "what is $1?" ;;
esac
require
mkdir -p "$state/temporary"
if [ "${1:-}" = --scenes ]; then
    engine image exists "$image" || fail "there is no image yet: call this without --scenes"
else
    build
fi
exec unshare --net "$0" --inside
