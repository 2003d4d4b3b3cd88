# A machine in software emulation: a kernel, a tree of files in memory, and what its console says.
# Sourced; needs $build and $here (this folder).

machine_new() { # folder
    rm -rf "$1"
    mkdir -p "$1/bin" "$1/proc" "$1/sys" "$1/dev" "$1/tmp" "$1/etc" "$1/root"
    cp "$here/Inside/init" "$1/init"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$1/etc/hosts"
    printf 'hosts: files dns\n' >"$1/etc/nsswitch.conf"
}

# A program with the libraries that it is linked with, where it expects them.
machine_add() { # tree, program, folder in the tree
    local library
    mkdir -p "$1$3"
    cp "$2" "$1$3/"
    for library in $(ldd "$2" 2>/dev/null | grep -o '/[^ ]*'); do
        [ -e "$1$library" ] || { mkdir -p "$1$(dirname "$library")" && cp -L "$library" "$1$library"; }
    done
}

machine_pack() { # tree, file
    (cd "$1" && find . | cpio --quiet -o -H newc | gzip -1) >"$2"
}

# Runs an emulator until the machine is off. What its console says goes to a file, and lines with a mark to stdout, too.
# The machine says "machine: result 0" at its end; anything else, a panic or a hang fails.
machine_run() { # log, seconds, pattern of lines to show, emulator and its arguments
    local log=$1 limit=$2 shown=$3 status=0
    shift 3
    : >"$log"
    timeout --kill-after=5 "$limit" "$@" -nographic -no-reboot -nic none </dev/null 2>&1 |
        sed -u 's/\r//g' | tee "$log" | grep --line-buffered -E "$shown" || true
    if grep -q '^machine: result 0$' "$log"; then
        return 0
    fi
    status=$(sed -n 's/^machine: result //p' "$log" | tail -1)
    if [ -n "$status" ]; then
        echo "the machine's tests ended with $status; all that it said: $log" >&2
    else
        echo "the machine broke down, or was not done within $limit s; the last that it said:" >&2
        tail -40 "$log" >&2
    fi
    return 1
}
