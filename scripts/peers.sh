#!/bin/sh
# Brings in the mail programs that the tests talk to, without installing anything.
#
#   scripts/peers.sh          make sure that the tests' peers are there
#   scripts/peers.sh --bench  the same, and the daemons of a private Postfix for bench/
#
# A peer that the machine has is used as it is. A missing one is downloaded as a Debian package and
# unpacked under target/peers: no maintainer script runs, no service starts, and the machine's own
# mail system stays as it was. Needs no root. A peer that cannot be had is an error.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
peers="$root/target/peers"
tree="$peers/tree"
packages="$peers/packages"
bin="$peers/bin"

tools="smtp-sink smtp-source swaks strace"
want_postfix=no
if [ "${1:-}" = --bench ]; then
    want_postfix=yes
fi

say() { echo "peers: $*"; }
fail() {
    echo "peers: $*" >&2
    exit 1
}

# Debian keeps smtp-sink and smtp-source in sbin, which is not in every account's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

package_of() {
    case "$1" in
        smtp-sink | smtp-source | postfix) echo postfix ;;
        *) echo "$1" ;;
    esac
}

# The package lists of the machine when it has some, and lists of our own otherwise: refreshing the
# machine's needs root, and a machine without lists is usually a bare container image.
apt_options=""
prepare_lists() {
    if [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' 2>/dev/null | head -n 1)" ]; then
        return
    fi
    say "fetching package lists"
    mkdir -p "$peers/apt/lists/partial" "$peers/apt/cache/archives/partial"
    apt_options="-o Dir::State::lists=$peers/apt/lists -o Dir::Cache=$peers/apt/cache -o APT::Sandbox::User="
    # shellcheck disable=SC2086 # the options are words of ours, without spaces inside
    apt-get -qq $apt_options update || fail "the package lists cannot be fetched"
}

# Libraries a package depends on that the machine does not have.
missing_libraries() {
    # shellcheck disable=SC2086
    apt-cache $apt_options depends --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "$1" |
        sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: \(lib[^ <>]*\)$/\2/p' |
        while read -r library; do
            status=$(dpkg-query -W -f '${Status}' "$library" 2>/dev/null || true)
            [ "$status" = "install ok installed" ] || echo "$library"
        done
}

unpack() {
    package=$1
    [ -e "$packages/$package.unpacked" ] && return
    say "fetching $package"
    mkdir -p "$packages/$package" "$tree"
    # shellcheck disable=SC2086
    (cd "$packages/$package" && apt-get -qq $apt_options -o APT::Sandbox::User= download "$package") ||
        fail "package $package cannot be downloaded; install it by hand, or give apt a source that has it"
    for archive in "$packages/$package"/*.deb; do
        dpkg -x "$archive" "$tree" || fail "$archive cannot be unpacked"
    done
    touch "$packages/$package.unpacked"
}

bring() {
    package=$1
    unpack "$package"
    for library in $(missing_libraries "$package"); do
        unpack "$library"
        # One level further is as deep as these packages go (libnsl2 needs libtirpc3).
        for further in $(missing_libraries "$library"); do
            unpack "$further"
        done
    done
}

library_path() {
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
    echo "$tree/usr/lib/postfix:$tree/usr/lib/$triplet:$tree/lib/$triplet"
}

# A tool from the unpacked tree needs its own libraries, which no system directory has.
wrap() {
    tool=$1
    for directory in usr/sbin usr/bin sbin bin; do
        if [ -x "$tree/$directory/$tool" ]; then
            program="$tree/$directory/$tool"
            cat >"$bin/$tool.new" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$(library_path)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
exec "$program" "\$@"
WRAPPER
            chmod +x "$bin/$tool.new"
            mv "$bin/$tool.new" "$bin/$tool"
            return
        fi
    done
    fail "package $(package_of "$tool") has no $tool"
}

works() {
    case "$1" in
        # Neither has a version option: with a wrong one they explain themselves, which a program
        # whose libraries are missing cannot.
        smtp-sink | smtp-source) "$bin/$1" -? 2>&1 | grep -q usage ;;
        swaks | strace) "$bin/$1" --version >/dev/null 2>&1 ;;
    esac
}

mkdir -p "$bin"
lists_ready=no
for tool in $tools; do
    if [ -x "$bin/$tool" ] && works "$tool"; then
        continue
    fi
    rm -f "$bin/$tool"
    if found=$(command -v "$tool"); then
        ln -s "$found" "$bin/$tool"
    else
        command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
            fail "$tool is missing and this is no Debian machine: install Postfix's smtp-sink and smtp-source, swaks and strace"
        [ "$lists_ready" = yes ] || prepare_lists
        lists_ready=yes
        bring "$(package_of "$tool")"
        wrap "$tool"
    fi
    works "$tool" || fail "$tool is there but does not run: try '$bin/$tool' by hand"
    say "$tool: $(readlink -f "$bin/$tool")"
done

# The daemons always come from the package: a private instance must not use the machine's own.
if [ "$want_postfix" = yes ] && [ ! -x "$tree/usr/lib/postfix/sbin/master" ]; then
    [ "$lists_ready" = yes ] || prepare_lists
    bring postfix
fi
say "all there"
