#!/bin/sh
# Writes what the compiler knows of a module's public symbols, comments included, as a symbol graph:
#
#   symbols.sh MODULE BUILD OUT
#
# It reads the modules of a build (.build/debug), so nothing is compiled, and it takes less than a second.
set -eu
cd "$(dirname "$0")/../../.."
module=$1 build=$2 out=$3
swift=${SWIFT:-swift}

info=$("$swift" -print-target-info)
value() { printf '%s\n' "$info" | sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" | head -1; }
toolchain=$(dirname "$(dirname "$(value runtimeResourcePath)")")

# The C modules that it imports, and that its dependencies do.
maps=$(find "$build/" -path '*.build/module.modulemap' && find "$build/../../checkouts" -path '*/include/module.modulemap' 2>/dev/null || true)
mkdir -p "$out"
# shellcheck disable=SC2046
"$toolchain/bin/swift-symbolgraph-extract" -module-name "$module" -target "$(value triple)" -I "$build/Modules" \
    -I CSources/CIOCP/include -I CSources/CIOCPTLS/include -I CSources/COpenSSL \
    $(for map in $maps; do echo "-Xcc -fmodule-map-file=$map"; done) \
    -output-dir "$out" -minimum-access-level public -emit-extension-block-symbols
