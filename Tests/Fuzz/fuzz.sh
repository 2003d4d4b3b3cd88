#!/bin/bash
# Fuzzes the targets of `Targets` and `Command` with libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   Tests/Fuzz/fuzz.sh [TARGET]             all targets one after the other, or one
#   Tests/Fuzz/fuzz.sh --minimise [TARGET]  the corpus becomes as few inputs as cover what was covered so far
#
# SECONDS_EACH bounds a target's run. Everything is built and kept in .build-fuzz. Exits 1 when an input breaks a
# target, 2 when there is no libFuzzer or something does not build.
set -euo pipefail

SECONDS_EACH=${SECONDS_EACH:-60}
targets=(token address stats config decode operations tls cli)
# Longer inputs than these find nothing more, but are slower.
declare -A longest=([token]=512 [address]=96 [stats]=4096 [config]=256 [decode]=2048 [operations]=4096 [tls]=1024 [cli]=1024)
SWIFT=${SWIFT:-swift}
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/.build-fuzz
corpora=$root/Tests/Fuzz/Corpus
cores=$(nproc)
flags=(-std=gnu11 -D_GNU_SOURCE -O2 -g -fno-omit-frame-pointer)
flags+=(-fsanitize=address,undefined -fno-sanitize-recover=undefined)

say() { echo "fuzz: $*" >&2; }

# The system's clang may come without libFuzzer; Swift's comes with it.
find_clang() {
    local candidate linker
    for candidate in ${CLANG:-} "$(dirname "$(readlink -f "$(command -v "$SWIFT" || echo /)")")/clang" clang; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        for linker in lld bfd; do # gold complains about every function of AddressSanitizer's
            if echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return !b && n; }' |
                "$candidate" "-fuse-ld=$linker" -fsanitize=fuzzer,address -x c - -o "$build/probe" 2>/dev/null; then
                clang=$candidate
                flags+=("-fuse-ld=$linker")
                return
            fi
        done
    done
    say "no clang with libFuzzer: set CLANG to that of a Swift toolchain, e.g. /opt/swift/usr/bin/clang"
    exit 2
}

# --- building -----------------------------------------------------------------------------------------------------

# The core is built anew when anything of it, or of the targets, is newer than the last build.
build_objects() {
    local stamp=$build/objects/stamp
    local sources=("$root/CSources" "$root/Tests/Sim/Play" "$root/Tests/Fuzz/Targets")
    if [ -e "$stamp" ] && [ "$0" -ot "$stamp" ] &&
        [ -z "$(find "${sources[@]}" -name '*.[ch]' -newer "$stamp")" ]; then return; fi
    rm -rf "$build/objects"
    mkdir -p "$build/objects"
    touch "$stamp.new"
    (cd "$root" && find CSources/CIOCP CSources/CIOCPTLS Tests/Sim/Play Tests/Fuzz/Targets -name '*.c' -not -name libfuzzer.c |
        xargs -P "$cores" -I{} sh -c "$clang ${flags[*]} -Wno-unused-command-line-argument -fsanitize=fuzzer-no-link \
            -DFUZZ_WRAPS -ICSources/CIOCP/include -ICSources/CIOCPTLS/include -ICSources/CIOCPTLS -c {} -o $build/objects/\$(echo {} | tr / _).o") || return
    ar rcs "$build/objects/core.a" "$build"/objects/CSources_*.o
    mv "$stamp.new" "$stamp" # what is edited meanwhile is newer
}

# What a target needs besides the core and its own file.
parts() {
    local name
    case $1 in
    operations) find "$build/objects" -name 'Tests_Sim_Play_*.o' -not -name '*_main.c.o' ;;
    decode) for name in lives played_{ring,submit,complete}; do echo "$build/objects/Tests_Fuzz_Targets_$name.c.o"; done ;;
    config)
        echo "$build/objects/Tests_Fuzz_Targets_shortages.c.o"
        for name in malloc calloc aligned_alloc mmap munmap eventfd memfd_create ftruncate; do
            echo "-Wl,--wrap=$name"
        done
        ;;
    esac
}

libraries() { if [ "$1" = tls ]; then echo -lssl -lcrypto; fi; }

build_c() {
    # shellcheck disable=SC2046
    "$clang" "${flags[@]}" -fsanitize=fuzzer "-DFUZZ_TARGET=fuzz_$1" "$root/Tests/Fuzz/Targets/libfuzzer.c" \
        "$build/objects/Tests_Fuzz_Targets_$1.c.o" $(parts "$1") "$build/objects/core.a" $(libraries "$1") -luring -lnuma -lpthread -o "$build/$1"
}

# The command's sources, all but its main, and libFuzzer's entry beside them, as a package of its own. The library is in it, too:
# the command uses what the library keeps to its package.
build_cli() {
    local package=$build/command file
    mkdir -p "$package"
    cp -r "$root/Tests/Fuzz/Command/." "$package"
    ln -sfn "$root/CSources/CIOCP" "$package/Sources/CIOCP"
    ln -sfn "$root/Sources/IOCP" "$package/Sources/IOCP"
    find "$root/Sources/iocp" -name '*.swift' | while read -r file; do
        sed 's/^@main$//' "$file" >"$package/new.swift"
        cmp -s "$package/new.swift" "$package/Sources/cli/$(basename "$file")" ||
            cp "$package/new.swift" "$package/Sources/cli/$(basename "$file")"
    done
    rm -f "$package/new.swift"
    "$SWIFT" build --package-path "$package" --sanitize=fuzzer --product cli || return
    cp "$package/.build/debug/cli" "$build/cli"
}

build_target() {
    if [ "$1" = cli ]; then build_cli; else build_objects && build_c "$1"; fi >"$build/build.log" 2>&1 || {
        tail -20 "$build/build.log" >&2
        say "$1 does not build"
        exit 2
    }
}

# --- running ------------------------------------------------------------------------------------------------------

fuzz() {
    local target=$1 log=$build/$1.log control input status=0
    mkdir -p "$build/corpus/$target" "$build/broken"
    # Where an input is a sequence of choices, a short one is no simpler than a long one.
    case $target in decode | operations) control=0 ;; *) control=100 ;; esac
    # Swift's backtraces would come first, and libFuzzer not to keep the input.
    SWIFT_BACKTRACE=enable=no \
        "$build/$target" "$build/corpus/$target" "$corpora/$target" -max_total_time="$SECONDS_EACH" -timeout=25 \
        -rss_limit_mb=2048 -max_len="${longest[$target]}" -len_control="$control" -print_final_stats=1 \
        -artifact_prefix="$build/broken/$target-" >"$log" 2>&1 || status=$?
    awk -v target="$target" '
        /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
        /stat::number_of_executed_units/ { runs = $2 }
        /^Done / { runs = $2; seconds = $5 }
        END { printf "%-12s %10d runs, coverage %5d, %4d s\n", target, runs, coverage, seconds }' "$log"
    [ "$status" -eq 0 ] && return
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
    grep -m3 -E 'fuzz: |iocp: |broken: |ERROR: |runtime error|Fatal error' "$log" >&2 || tail -5 "$log" >&2
    say "$target broke; the whole of it: ${log#"$root"/}"
    [ -z "$input" ] || say "replay with: ${build#"$root"/}/$target ${input#"$root"/}"
    return 1
}

minimise() {
    local target=$1 less=$build/corpus/$1.less
    rm -rf "$less"
    mkdir -p "$less" "$build/corpus/$target"
    "$build/$target" -set_cover_merge=1 -use_counters=0 -max_len="${longest[$target]}" "$less" "$corpora/$target" \
        "$build/corpus/$target" >"$build/$target.log" 2>&1 || { tail -5 "$build/$target.log" >&2; exit 1; }
    mkdir -p "$corpora/$target"
    # What broke something once stays, and what is there for its length.
    find "$corpora/$target" -type f -not -name 'found-*' -not -name 'seed-*' -delete
    cp "$less"/* "$corpora/$target/"
    rm -rf "$less"
    echo "$target: $(find "$corpora/$target" -type f | wc -l) inputs, $(du -bs "$corpora/$target" | cut -f1) bytes"
}

work=fuzz
if [ "${1:-}" = --minimise ]; then
    work=minimise
    shift
fi
if [ $# -gt 0 ]; then
    [[ " ${targets[*]} " == *" $1 "* ]] || { say "no target $1; there are: ${targets[*]}"; exit 2; }
    targets=("$1")
fi
mkdir -p "$build"
find_clang
result=0
for target in "${targets[@]}"; do
    build_target "$target"
    "$work" "$target" || result=1
done
exit "$result"
