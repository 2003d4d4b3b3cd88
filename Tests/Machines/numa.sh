#!/bin/bash
# Boots Debian 12's kernel (6.1, the floor) on an emulated machine of two nodes with two CPUs each, and runs the tests of the
# core and of the API there. Needs no rights, no KVM and no second node: qemu plays them all.
#
#   Tests/Machines/numa.sh [FILTER]    all that skipped.txt does not name, or the tests that a regular expression names
#
# LIMIT_S bounds the machine's life, SWIFT names the compiler. Exits 0 where it cannot run, and says why.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build="$root/.build-machines"
limit_s=${LIMIT_S:-3600}
. "$here/debian.sh"
. "$here/machine.sh"

skip() {
    echo "test-numa: skipped: $1"
    exit 0
}
for tool in qemu-system-x86_64 busybox cpio apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || skip "there is no $tool here, and .ci/deps could not install it"
done
[ "$(uname -m)" = x86_64 ] || skip "the tests are built for $(uname -m), and the machine is an x86-64 one"
mkdir -p "$build"
debian_unpack amd64 kernel || skip "Debian's kernel could not be fetched from $DEBIAN_MIRROR"
kernel=$(ls -t "$build"/amd64-root/boot/vmlinuz-* | head -1)

programs=$(dirname "$("${SWIFT:-swift}" build --show-bin-path)/.")
tests="$programs/swift-iocpPackageTests.xctest"

tree="$build/numa-tree"
machine_new "$tree"
cp "$(command -v busybox)" "$tree/bin/busybox"
strip_into() { # program
    strip -g -o "$build/stripped" "$1"
    machine_add "$tree" "$1" /tests
    mv "$build/stripped" "$tree/tests/$(basename "$1")"
    chmod 755 "$tree/tests/$(basename "$1")"
}
strip_into "$tests"
for program in iocp ReadmeServer ReadmeAsync ReadmeLoop ReadmeFrames GuideServer GuideAsync GuideEcho TroubledServer AllocationProbe; do
    strip_into "$programs/$program"
done
for program in openssl setpriv; do
    machine_add "$tree" "$(command -v $program)" /usr/bin
done
settings=$(openssl version -d | sed 's/^OPENSSLDIR: "\(.*\)"$/\1/')
install -D -m 644 "$settings/openssl.cnf" "$tree$settings/openssl.cnf"
# What the C library opens by name.
for library in /lib/x86_64-linux-gnu/libnss_files.so.2 /lib/x86_64-linux-gnu/libnss_dns.so.2 /lib/x86_64-linux-gnu/libresolv.so.2; do
    [ ! -e "$library" ] || install -D -m 755 "$library" "$tree$library"
done

filter=${1:-}
if [ -n "$filter" ]; then
    printf '%s\n' "--filter" "$filter" >"$tree/tests/arguments"
else
    {
        printf '%s\n' "--filter" '^(APITests|CoreTests)\.'
        sed -n 's/^\([^#|]*[^#| ]\) *|.*/\1/p' "$here/numa-skipped.txt" | while read -r name; do printf '%s\n' --skip "$name"; done
    } >"$tree/tests/arguments"
    echo "left out:"
    sed -n 's/^\([^#|]*[^#| ]\) *| */  \1: /p' "$here/numa-skipped.txt"
fi
cp "$here/Inside/run-numa" "$tree/run"
machine_pack "$tree" "$build/numa.cpio.gz"

machine_run "$build/numa.log" "$limit_s" '^machine:|✘|✔ (Test run|Suite)|Fatal|panic|BUG:' \
    qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -m 3072 -smp 4,sockets=2,cores=2,threads=1 \
    -object memory-backend-ram,id=memory0,size=1536M -object memory-backend-ram,id=memory1,size=1536M \
    -numa node,nodeid=0,cpus=0-1,memdev=memory0 -numa node,nodeid=1,cpus=2-3,memdev=memory1 \
    -kernel "$kernel" -initrd "$build/numa.cpio.gz" \
    -append "console=ttyS0 quiet panic=-1 oops=panic"
