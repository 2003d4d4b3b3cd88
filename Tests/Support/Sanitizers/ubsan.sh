#!/bin/sh
# The tests with the C core under UndefinedBehaviorSanitizer; the first finding ends its process.
#
#   Tests/Support/Sanitizers/ubsan.sh [ARGUMENT OF swift test...]
#
# Without the tests of services and the plays of bodies, which need a run of their own; they are of Swift.
#
# SwiftPM has no such option on Linux, so the C targets ask for it themselves, and every program links the runtime of the
# toolchain's own clang.
set -eu

SWIFT=${SWIFT:-swift}
cd "$(dirname "$0")/../../.."
clang=$(dirname "$(readlink -f "$(command -v "$SWIFT")")")/clang
runtime=$("$clang" -print-resource-dir)/lib/linux/libclang_rt.ubsan_standalone-$(uname -m).a
[ -e "$runtime" ] || {
    echo "ubsan: the toolchain has no $runtime" >&2
    exit 1
}
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 exec "$SWIFT" test --enable-all-traits --skip "ServiceTests|AsyncSimTests|IOCPNIOTests" --scratch-path .build-ubsan \
    -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined -Xlinker "$runtime" "$@"
