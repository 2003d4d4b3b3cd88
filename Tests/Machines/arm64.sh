#!/bin/bash
# The C core on arm64, in emulation: cross-compiled by the Swift toolchain's clang, linked with Debian's cross toolchain.
#
#   Tests/Machines/arm64.sh [STEP...]    all steps, or some: play, traces, threads, echo, mutants, ring
#
# play     SEEDS=20000 seeds of the sim                        ring     on Debian's 6.1 kernel for arm64, a whole emulated
# traces   some seeds, move by move as on this machine                  machine with two nodes: io_uring, pages of workers,
# threads  mailbox, counted bytes, stats page                           and all of the above in short
# echo     a port that becomes epoll, because qemu-user refuses io_uring
# mutants  the sim still notices a broken mailbox
#
# qemu-user plays arm64 on this machine's own memory order, which is stronger than arm64's: what the compiler reorders or
# misaligns shows, what an arm64 processor alone would reorder does not. docs/KERNELS.md says what that proves.
# Exits 0 where it cannot run, and says why.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build="$root/.build-machines"
. "$here/debian.sh"
. "$here/machine.sh"

SEEDS=${SEEDS:-20000}
CLANG=${CLANG:-clang}
cores=$(nproc)
emulator=qemu-aarch64-static
linker=aarch64-linux-gnu-gcc

skip() {
    echo "test-arm64: skipped: $1"
    exit 0
}
for tool in "$CLANG" "$linker" "$emulator" apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || skip "there is no $tool here, and .ci/deps could not install it"
done
mkdir -p "$build"
debian_unpack arm64 liburing-dev libnuma-dev || skip "Debian's liburing for arm64 could not be fetched from $DEBIAN_MIRROR"
libraries="$build/arm64-root/usr/lib/aarch64-linux-gnu"
headers="$build/arm64-root/usr/include"

# --- building ----------------------------------------------------------------------------------------------------

compile() { # objects, compiler and its flags... ; then the sources, one a line
    local objects=$1
    shift
    rm -rf "$objects"
    mkdir -p "$objects"
    (cd "$root" && xargs -P "$cores" -I{} sh -c \
        "$* -std=gnu11 -D_GNU_SOURCE -O2 -DNDEBUG -Wall -Werror -ICSources/CIOCP/include \
         -ITests/Support/CIOCPInternals/include -c {} -o $objects/\$(echo {} | tr / _).o")
}
sources() { # a program's own sources, beside the core's
    (cd "$root" && find CSources/CIOCP "$@" -name '*.c')
}
cross="$CLANG --target=aarch64-linux-gnu -isystem $headers -isystem $headers/aarch64-linux-gnu"
link_cross() { # program, objects...
    # libc warns that getaddrinfo(3) of a static program loads libraries: none of these programs resolves a name.
    "$linker" -static "${@:2}" "$libraries/liburing.a" "$libraries/libnuma.a" -lpthread -o "$1" 2>"$build/link.log" || {
        cat "$build/link.log" >&2
        return 1
    }
}

echo "building for arm64"
sources Tests/Sim/Play Tests/Machines/Programs | compile "$build/arm64" "$cross"
(cd "$root" && printf '%s\n' Tests/Support/CIOCPInternals/crowd.c Tests/Support/CIOCPInternals/mailboxes.c) |
    compile "$build/arm64-crowd" "$cross"
objects="$build/arm64"
link_cross "$build/sim-arm64" "$objects"/CSources_* "$objects"/Tests_Sim_*
link_cross "$build/threads-arm64" "$objects"/CSources_* "$objects"/Tests_Machines_Programs_threads.c.o "$build/arm64-crowd"/*
link_cross "$build/echo-arm64" "$objects"/CSources_* "$objects"/Tests_Machines_Programs_echo.c.o

# --- the steps ---------------------------------------------------------------------------------------------------

play() {
    timeout 1800 "$emulator" "$build/sim-arm64" --seeds "$SEEDS" --jobs "$cores" --failures --emulated
}

# A seed decides all that is random, so it plays the same game on every machine.
traces() {
    sources Tests/Sim/Play | compile "$build/here" "$CLANG"
    "$CLANG" "$build/here"/* -luring -lnuma -lpthread -o "$build/sim-here"
    local seed moves=0
    for seed in $(seq 1 40) 4711 99999 1234567; do
        timeout 60 "$emulator" "$build/sim-arm64" --seed "$seed" >/dev/null 2>"$build/trace-arm64"
        timeout 60 "$build/sim-here" --seed "$seed" >/dev/null 2>"$build/trace-here"
        cmp "$build/trace-arm64" "$build/trace-here" || {
            echo "seed $seed plays another game on arm64 than here" >&2
            return 1
        }
        moves=$((moves + $(wc -l <"$build/trace-here")))
    done
    echo "43 seeds play the same game on arm64 as on $(uname -m): $moves lines of trace are equal, byte for byte"
}

threads() {
    timeout 600 "$emulator" "$build/threads-arm64"
}

# A thousand connections, both ends in one process.
echoes() {
    ulimit -S -n "$(ulimit -H -n)"
    timeout 300 "$emulator" "$build/echo-arm64" epoll 1000
}

mutants() {
    SEEDS=2000 CC="$cross" CFLAGS="-O2 -DNDEBUG" RUN="$emulator" PLAY=--emulated LINKER="$linker -static" \
        LIBRARIES="$libraries/liburing.a $libraries/libnuma.a -lpthread" "$root/Tests/Sim/mutants.sh" 'post-*' 2> >(grep -v -e getaddrinfo -e "in function" >&2)
}

ring() {
    for tool in qemu-system-aarch64 cpio; do
        command -v "$tool" >/dev/null || {
            echo "ring: skipped: there is no $tool here, and .ci/deps could not install it"
            return 0
        }
    done
    debian_unpack arm64 kernel busybox-static || return 1
    local tree="$build/arm64-tree" kernel
    kernel=$(ls -t "$build"/arm64-root/boot/vmlinuz-* | head -1)
    machine_new "$tree"
    cp "$build/arm64-root/bin/busybox" "$tree/bin/busybox"
    cp "$build/sim-arm64" "$build/threads-arm64" "$build/echo-arm64" "$tree/bin/"
    cp "$here/Inside/run-arm64" "$tree/run"
    machine_pack "$tree" "$build/arm64.cpio.gz"
    machine_run "$build/arm64.log" 1200 '^machine:|BROKEN|promise|auto is|found:|worker |seeds|letters' \
        qemu-system-aarch64 -M virt,gic-version=3 -accel tcg,thread=multi -cpu max,pauth-impdef=on -m 2048 -smp 4 \
        -object memory-backend-ram,id=memory0,size=1024M -object memory-backend-ram,id=memory1,size=1024M \
        -numa node,nodeid=0,cpus=0-1,memdev=memory0 -numa node,nodeid=1,cpus=2-3,memdev=memory1 \
        -kernel "$kernel" -initrd "$build/arm64.cpio.gz" -append "console=ttyAMA0 quiet panic=-1 oops=panic"
}

status=0
for step in ${*:-play traces threads echo mutants ring}; do
    echo "--- $step"
    case "$step" in
    play | traces | threads | mutants | ring) "$step" || status=1 ;;
    echo) echoes || status=1 ;;
    *)
        echo "test-arm64: the steps are play, traces, threads, echo, mutants and ring, not '$step'" >&2
        exit 64
        ;;
    esac
done
[ "$status" -eq 0 ] || echo "test-arm64: a step failed" >&2
exit "$status"
