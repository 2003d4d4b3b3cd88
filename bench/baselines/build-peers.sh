#!/bin/sh
# Builds the servers that need more than this project does, into bench/.build/peers, for `bench --all` to compare with.
# One that cannot be built is named with the cause, and the others are built all the same; fails when none could be.
set -u
cd "$(dirname "$0")"

build=$(cd .. && pwd)/.build
peers=$build/peers
mkdir -p "$peers" "$build/peers-logs" "$build/peers-objects"

# What it cannot install, the peer that needs it will miss.
../../.ci/deps peers || true

# Each in a chain, because a function that is tested runs without `set -e`.

support() {
    for source in support/*.c; do
        ${CC:-cc} -std=gnu11 -O2 -Isupport/include -c "$source" \
            -o "$build/peers-objects/$(basename "$source" .c).o" || return 1
    done
}

libuv() {
    support &&
        ${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -Isupport/include -o "$peers/echo-libuv" \
            echo-libuv/*.c "$build"/peers-objects/*.o -luv
}

asio() {
    support &&
        ${CXX:-c++} -std=c++20 -O2 -Wall -Wextra -Isupport/include -o "$peers/echo-asio" \
            echo-asio/*.cpp "$build"/peers-objects/*.o -pthread
}

# No dependency, so nothing to fetch; the version control of the checkout is not asked for a stamp.
go_server() {
    cd go && GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOCACHE="$build/go-cache" CGO_ENABLED=0 \
        go build -buildvcs=false -o "$peers/echo-go" .
}

# From its folder, since .cargo/config.toml there names where the crates are.
tokio() {
    cd tokio && CARGO_TARGET_DIR="$build/tokio" cargo build --quiet --release &&
        cp "$build/tokio/release/echo-tokio" "$peers/"
}

nio() {
    ${SWIFT:-swift} build -c release --package-path nio --scratch-path "$build/nio" &&
        bin=$(${SWIFT:-swift} build -c release --package-path nio --scratch-path "$build/nio" --show-bin-path) &&
        cp "$bin/echo-nio" "$bin/echo-nio-async" "$bin/echo-nio-tls" "$peers/"
}

# The first line of a log that speaks of an error, or its last.
cause() {
    line=$(grep -m 1 -i -E 'error|not found|cannot' "$1" || tail -n 1 "$1")
    printf '%s' "$line" | cut -c 1-200
}

# attempt FUNCTION EXECUTABLE...
built=0
attempt() {
    recipe=$1
    shift
    log=$build/peers-logs/$1.log
    echo "building $*"
    if ("$recipe") >"$log" 2>&1; then
        built=$((built + $#))
        return
    fi
    echo "build-peers: cannot build $*: $(cause "$log") (all of it: $log)" >&2
    # One of an earlier build would be measured as if it were this one.
    for executable in "$@"; do rm -f "$peers/$executable"; done
}

attempt libuv echo-libuv
attempt asio echo-asio
attempt go_server echo-go
attempt tokio echo-tokio
attempt nio echo-nio echo-nio-async echo-nio-tls
echo "peers in $peers: $built built"
[ "$built" -gt 0 ]
