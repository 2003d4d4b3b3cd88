# Debian 12's packages, of any architecture, unpacked into a folder: nothing is installed, and no root is needed.
# Sourced; needs $build, the folder for what is built.

DEBIAN_MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org}

# apt as a machine of that architecture would see it, with lists and settings of its own.
debian_apt() { # architecture, arguments...
    local state="$build/apt-$1"
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts"
    : >"$state/status"
    cat >"$state/sources.list" <<END
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $DEBIAN_MIRROR/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $DEBIAN_MIRROR/debian-security bookworm-security main
END
    cat >"$state/apt.conf" <<END
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$state";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
Dir::Etc::sourcelist "$state/sources.list";
Dir::Etc::sourceparts "$state/parts";
END
    APT_CONFIG="$state/apt.conf" "${@:2}"
}

# Unpacks packages into $build/ARCHITECTURE-root, once. "kernel" is the newest of Debian's 6.1 kernels for virtual machines.
debian_unpack() { # architecture, package...
    local architecture=$1 root="$build/$1-root" package
    shift
    mkdir -p "$root" "$build/debs"
    for package in "$@"; do
        [ ! -e "$build/debs/$package-$architecture.done" ] || continue
        [ -n "${debian_lists_are_new:-}" ] || debian_apt "$architecture" apt-get update -qq || return 1
        debian_lists_are_new=yes
        local name=$package
        if [ "$package" = kernel ]; then
            name=$(debian_apt "$architecture" apt-cache depends "linux-image-cloud-$architecture" |
                awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2 }')
            [ -n "$name" ] || { echo "Debian 12 has no kernel for $architecture now" >&2; return 1; }
        fi
        rm -f "$build/debs/${name}_"*"_$architecture.deb"
        (cd "$build/debs" && debian_apt "$architecture" apt-get download -qq "$name") || return 1
        dpkg-deb -x "$build/debs/${name}_"*"_$architecture.deb" "$root" || return 1
        rm -f "$build/debs/${name}_"*"_$architecture.deb"
        : >"$build/debs/$package-$architecture.done"
    done
}
