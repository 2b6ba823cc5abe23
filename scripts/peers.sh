#!/bin/sh
# Brings in the mail programs, the services that check mail, and the browser that the tests talk to,
# without installing anything.
#
#   scripts/peers.sh          make sure that the tests' peers are there
#   scripts/peers.sh --bench  the same, and the daemons of a private Postfix and Exim for bench/
#
# A peer that the machine has is used as it is. A missing one is downloaded as a Debian package and
# unpacked under target/peers: no maintainer script runs, no service starts, and the machine's own
# mail system stays as it was. Needs no root. A peer that cannot be had is an error.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$root/target/peers"
# The real place, for target may be a link, and the wrappers that stand there outlive it.
peers=$(cd "$root/target/peers" && pwd -P)
tree="$peers/tree"
packages="$peers/packages"
archives="$peers/archives"
bin="$peers/bin"

# The tools, each with the packages it is brought in from. A package's dependencies come with it where
# the machine lacks them; a further package is named where the tool wants it beside itself even so.
table="
smtp-sink      postfix
smtp-source    postfix
swaks          swaks
curl           curl
strace         strace
chromium       chromium chromium-common fonts-dejavu-core
chromedriver   chromium-driver
clamd          clamav-daemon
clamav-milter  clamav-milter
dovecot        dovecot-core dovecot-lmtpd
opendkim       opendkim
rspamd         rspamd
spamd          spamd spamassassin
slapd          slapd
gpg            gpg
gpg-agent      gpg-agent
python3        python3
"
tools=$(echo "$table" | sed 's/ .*//')
want_daemons=no
if [ "${1:-}" = --bench ]; then
    want_daemons=yes
fi

say() { echo "peers: $*"; }
fail() {
    echo "peers: $*" >&2
    exit 1
}

# Debian keeps smtp-sink, smtp-source and the daemons in sbin, which is not in every account's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

packages_of() { echo "$table" | sed -n "s/^$1  *//p"; }

# The package lists of the machine when it has some, and lists of our own otherwise: refreshing the
# machine's needs root, and a machine without lists is usually a bare container image.
apt_options=""
prepare_lists() {
    [ -z "$apt_options" ] || return 0
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' 2>/dev/null | head -n 1)" ] || fetch_lists
}

fetch_lists() {
    say "fetching package lists"
    mkdir -p "$peers/apt/lists/partial" "$peers/apt/cache/archives/partial"
    apt_options="-o Dir::State::lists=$peers/apt/lists -o Dir::Cache=$peers/apt/cache -o APT::Sandbox::User="
    # shellcheck disable=SC2086 # the options are words of ours, without spaces inside
    apt-get -qq $apt_options update || fail "the package lists cannot be fetched"
}

# Packages and whatever else the machine would have to install for them.
with_dependencies() {
    # shellcheck disable=SC2086
    apt-get $apt_options install --simulate --no-install-recommends "$@" 2>/dev/null |
        sed -n 's/^Inst \([^ ]*\).*/\1/p'
    # The simulation is silent about what is installed already.
    printf '%s\n' "$@"
}

download() {
    rm -rf "$archives"
    mkdir -p "$archives"
    # shellcheck disable=SC2086
    (cd "$archives" && apt-get -qq $apt_options -o APT::Sandbox::User= download $missing)
}

# Unpacks packages and their dependencies; all in one download, for apt takes its time to start.
bring() {
    prepare_lists
    missing=""
    for package in $(with_dependencies "$@" | sort -u); do
        [ -e "$packages/$package.unpacked" ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "fetching$missing"
    # Lists of some weeks ago name versions that are gone; ours are of this moment.
    download || { [ -z "$apt_options" ] && fetch_lists && download; } ||
        fail "a package cannot be downloaded; install $* by hand, or give apt a source that has it"
    mkdir -p "$packages" "$tree"
    for package in $missing; do
        dpkg -x "$archives/${package}_"*.deb "$tree" || fail "package $package cannot be unpacked"
        touch "$packages/$package.unpacked"
    done
    rm -rf "$archives"
}

library_path() {
    triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
    # Some packages have directories of their own for libraries, which they know by absolute paths.
    path="$tree/usr/lib/$triplet:$tree/lib/$triplet:$tree/usr/lib"
    echo "$path:$tree/usr/lib/$triplet/pulseaudio:$tree/usr/lib/postfix:$tree/usr/lib/rspamd:$tree/usr/lib/dovecot:$tree/usr/lib/dovecot/modules/old-stats"
}

program_of() {
    for directory in usr/lib/chromium usr/sbin usr/bin sbin bin; do
        if [ -f "$tree/$directory/$1" ] && [ -x "$tree/$directory/$1" ]; then
            echo "$tree/$directory/$1"
            return
        fi
    done
    fail "package $(packages_of "$1") has no $1"
}

# The command line of a program. A Perl script needs its modules from the tree too, and gets them from
# options: spamd runs tainted, and then Perl does not read PERL5LIB.
command_of() {
    program=$1
    if ! head -n 1 "$program" | grep -aq '^#!.*/perl'; then
        echo "\"$program\""
        return
    fi
    perl="$tree/usr/bin/perl"
    [ -x "$perl" ] || perl=/usr/bin/perl
    flags=$(sed -n '1s/^#!.*\/perl *//p' "$program")
    # shellcheck disable=SC2016 # the variables are Perl's
    modules=$(LD_LIBRARY_PATH=$(library_path) "$perl" -e \
        'print map { " -I\"$ARGV[0]$_\"" } grep { m(^/) && -d "$ARGV[0]$_" } @INC' "$tree")
    echo "\"$perl\" $flags$modules \"$program\""
}

# What a program would look for in system directories and can be told to find elsewhere.
environment_of() {
    case "$1" in
        chromium | chromedriver)
            echo "[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_FILE=\"$peers/fonts.conf\""
            ;;
        dovecot)
            # To start, it would have its configuration from /usr/bin/doveconf, which starts it in turn.
            echo "[ \"\${1:-}\" != -F ] || exec \"$tree/usr/bin/doveconf\" -f service=master -m master -p \\"
            echo "    -c \"\$3\" -e \"$tree/usr/sbin/dovecot\" \"\$@\""
            ;;
        rspamd)
            echo "export SHAREDIR=\"$tree/usr/share/rspamd\" LUALIBDIR=\"$tree/usr/share/rspamd/lualib\""
            echo "export PLUGINSDIR=\"$tree/usr/share/rspamd/plugins\" RULESDIR=\"$tree/usr/share/rspamd/rules\""
            ;;
    esac
}

# Its lmtp loads a TLS module whatever the configuration says, from a directory that its library has
# built in. The name becomes one of the same length that is below the directory the services run in,
# their base_dir: whoever starts it has a link there, usr, to the usr of the tree.
relocate_dovecot() {
    LC_ALL=C sed -i 's,/usr/lib/dovecot/modules,usr/lib//dovecot/modules,g' "$tree"/usr/lib/dovecot/libdovecot.so.0.*
}

# A tool from the unpacked tree needs its own libraries, which no system directory has.
wrap() {
    tool=$1
    program=$(program_of "$tool")
    [ "$tool" != dovecot ] || relocate_dovecot
    cat >"$bin/$tool.new" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$(library_path)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
$(environment_of "$tool")
exec $(command_of "$program") "\$@"
WRAPPER
    chmod +x "$bin/$tool.new"
    mv "$bin/$tool.new" "$bin/$tool"
}

# The fonts of a browser whose machine has none.
write_fonts() {
    cat >"$peers/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>$tree/usr/share/fonts</dir><cachedir>$peers/font-cache</cachedir></fontconfig>
FONTS
}

# The machine's own program, if it is to be used. A browser and its driver are of one version: the
# machine's are used only when it has both.
machines_own() {
    case "$1" in
        chromium | chromedriver)
            command -v chromium >/dev/null && command -v chromedriver >/dev/null || return 1
            ;;
        # Its configuration is of its version, and its LMTP server is in a package of its own.
        dovecot) return 1 ;;
    esac
    command -v "$1"
}

works() {
    case "$1" in
        # Neither has a version option: with a wrong one they explain themselves, which a program
        # whose libraries are missing cannot.
        smtp-sink | smtp-source) "$bin/$1" -? 2>&1 | grep -q usage ;;
        chromium) "$bin/$1" --headless --no-sandbox --disable-gpu --dump-dom about:blank 2>/dev/null | grep -q html ;;
        # Without a configuration it would look for the machine's.
        clamd) "$bin/$1" --config-file=/dev/null --version >/dev/null 2>&1 ;;
        opendkim) "$bin/$1" -V >/dev/null 2>&1 ;;
        slapd) "$bin/$1" -VV >/dev/null 2>&1 ;;
        *) "$bin/$1" --version >/dev/null 2>&1 ;;
    esac
}

mkdir -p "$bin"
absent=""
wanted=""
for tool in $tools; do
    if [ -x "$bin/$tool" ] && works "$tool"; then
        continue
    fi
    rm -f "$bin/$tool"
    absent="$absent $tool"
    if found=$(machines_own "$tool"); then
        ln -s "$found" "$bin/$tool"
    else
        command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
            fail "$tool is missing and this is no Debian machine: install what Debian has in $(packages_of "$tool")"
        wanted="$wanted $(packages_of "$tool")"
    fi
done

# shellcheck disable=SC2086 # names of packages, without spaces inside
[ -z "$wanted" ] || bring $wanted

for tool in $absent; do
    if [ ! -e "$bin/$tool" ]; then
        [ "$tool" != chromium ] || write_fonts
        wrap "$tool"
    fi
    works "$tool" || fail "$tool is there but does not run: try '$bin/$tool' by hand"
    say "$tool: $(readlink -f "$bin/$tool")"
done

# The daemons always come from the package: a private instance must not use the machine's own.
if [ "$want_daemons" = yes ]; then
    [ -x "$tree/usr/lib/postfix/sbin/master" ] || bring postfix
    [ -x "$tree/usr/sbin/exim4" ] || bring exim4-daemon-light
fi
say "all there"
