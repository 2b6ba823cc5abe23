#!/bin/sh
# Brings in the mail programs and the browser that the tests talk to, without installing anything.
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

tools="smtp-sink smtp-source swaks curl strace chromium chromedriver"
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
        chromedriver) echo chromium-driver ;;
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

# A package and whatever else the machine would have to install for it.
with_dependencies() {
    # shellcheck disable=SC2086
    apt-get $apt_options install --simulate --no-install-recommends "$1" 2>/dev/null |
        sed -n 's/^Inst \([^ ]*\).*/\1/p'
    # The simulation is silent about what is installed already.
    echo "$1"
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
    for package in $(with_dependencies "$1" | sort -u); do
        unpack "$package"
    done
}

library_path() {
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
    # Chromium's sound library keeps a part of itself one directory further down.
    echo "$tree/usr/lib/postfix:$tree/usr/lib/$triplet:$tree/lib/$triplet:$tree/usr/lib/$triplet/pulseaudio"
}

# A tool from the unpacked tree needs its own libraries, which no system directory has, and a browser
# its own fonts.
wrap() {
    tool=$1
    for directory in usr/lib/chromium usr/sbin usr/bin sbin bin; do
        if [ -f "$tree/$directory/$tool" ] && [ -x "$tree/$directory/$tool" ]; then
            program="$tree/$directory/$tool"
            cat >"$bin/$tool.new" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$(library_path)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_FILE="$peers/fonts.conf"
exec "$program" "\$@"
WRAPPER
            chmod +x "$bin/$tool.new"
            mv "$bin/$tool.new" "$bin/$tool"
            return
        fi
    done
    fail "package $(package_of "$tool") has no $tool"
}

# What a browser looks for beside itself, even where the machine has it elsewhere, and fonts.
browser_data() {
    bring chromium-common
    bring fonts-dejavu-core
    cat >"$peers/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>$tree/usr/share/fonts</dir><cachedir>$peers/font-cache</cachedir></fontconfig>
FONTS
}

# A browser and its driver are of one version: the machine's are used only when it has both.
has_its_company() {
    case "$1" in
        chromium | chromedriver) command -v chromium >/dev/null && command -v chromedriver >/dev/null ;;
    esac
}

works() {
    case "$1" in
        # Neither has a version option: with a wrong one they explain themselves, which a program
        # whose libraries are missing cannot.
        smtp-sink | smtp-source) "$bin/$1" -? 2>&1 | grep -q usage ;;
        chromium) "$bin/$1" --headless --no-sandbox --disable-gpu --dump-dom about:blank 2>/dev/null | grep -q html ;;
        *) "$bin/$1" --version >/dev/null 2>&1 ;;
    esac
}

mkdir -p "$bin"
lists_ready=no
for tool in $tools; do
    if [ -x "$bin/$tool" ] && works "$tool"; then
        continue
    fi
    rm -f "$bin/$tool"
    if found=$(command -v "$tool") && has_its_company "$tool"; then
        ln -s "$found" "$bin/$tool"
    else
        command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
            fail "$tool is missing and this is no Debian machine: install Postfix's smtp-sink and smtp-source, swaks, curl, strace, chromium and chromedriver"
        [ "$lists_ready" = yes ] || prepare_lists
        lists_ready=yes
        bring "$(package_of "$tool")"
        [ "$tool" != chromium ] || browser_data
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
