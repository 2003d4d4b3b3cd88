#!/bin/bash
# Line coverage of the C core by all tests, iocp-sim's included, and a reason for every line that has none.
#
#   Tests/Support/Coverage/coverage.sh
#
# Lists each file, then each uncovered line; lines that follow each other share a reason. Exits 1 when the total is below
# LEAST percent, when an uncovered line has no reason in uncovered.txt beside this script, or when a reason there fits no
# uncovered line any more.
set -euo pipefail

LEAST=${LEAST:-97}
SWIFT=${SWIFT:-swift}
root=$(cd "$(dirname "$0")/../../.." && pwd)
build=$root/.build-coverage
cd "$root"

# Of the compiler's own version: another's does not read its profile.
llvm_cov=$(dirname "$(readlink -f "$(command -v "$SWIFT")")")/llvm-cov

rm -rf "$build"/*/*/codecov # counts of earlier runs
# SwiftPM measures Swift alone; the C targets ask for themselves.
flags=(--enable-all-traits --scratch-path "$build" -Xcc -fprofile-instr-generate -Xcc -fcoverage-mapping)
apart="ServiceTests|AsyncSimTests|IOCPNIOTests" # they open descriptors that others count
products=$("$SWIFT" build --show-bin-path "${flags[@]}")
"$SWIFT" test --skip "$apart" --enable-code-coverage "${flags[@]}"
mv "$products/codecov/default.profdata" "$build/most.profdata"
"$SWIFT" test --skip-build --filter "$apart" --enable-code-coverage "${flags[@]}"
"$(dirname "$llvm_cov")/llvm-profdata" merge -o "$build/all.profdata" "$build/most.profdata" \
    "$products/codecov/default.profdata"

# SRC:file, then DA:line,count of each line that holds code.
"$llvm_cov" export --format=lcov --instr-profile "$build/all.profdata" \
    "$products/swift-iocpPackageTests.xctest" "$root"/CSources/CIOCP >"$build/core.lcov"

awk -v root="$root/CSources/CIOCP/" -v least="$LEAST" -v reasons="$root/Tests/Support/Coverage/uncovered.txt" '
    # file | part of the line | reason
    function read_reasons(    line, parts) {
        while ((getline line < reasons) > 0) {
            if (line ~ /^(#|[ \t]*$)/) continue
            if (split(line, parts, " \\| ") != 3 || parts[3] == "") {
                printf "Tests/Support/Coverage/uncovered.txt: not \"file | part of the line | reason\": %s\n", line
                failed = 1
                continue
            }
            reason_file[++reason_count] = parts[1]
            reason_part[reason_count] = parts[2]
            by_chance[reason_count] = index(parts[3], "by chance: ") == 1
        }
    }
    function read_source(file,    line, number) {
        for (number = 1; (getline line < (root file)) > 0; number++) text[number] = line
        close(root file)
    }
    # A reason for one line of a run of uncovered lines is a reason for the run.
    function end_run(    i, k, known) {
        if (run_count == 0) return
        for (i = 1; i <= reason_count; i++) {
            if (reason_file[i] != file) continue
            if (index(text[run[1] - 1], reason_part[i]) > 0) known = used[i] = 1
            for (k = 1; k <= run_count; k++) if (index(text[run[k]], reason_part[i]) > 0) known = used[i] = 1
        }
        for (k = 1; k <= run_count; k++) {
            sub(/^[ \t]+/, "", text[run[k]])
            uncovered[++uncovered_count] = \
                sprintf("  %s:%d: %s%s", file, run[k], text[run[k]], known ? "" : "   <- no reason given")
        }
        if (!known) unexplained += run_count
        run_count = 0
    }
    BEGIN { FS = "[:,]"; read_reasons() }
    $1 == "SF" {
        file = substr($0, 4 + length(root))
        lines = covered = 0
        read_source(file)
    }
    $1 == "DA" {
        lines++
        if ($3 == 0) { run[++run_count] = $2 + 0; next }
        covered++
        end_run()
    }
    $1 == "end_of_record" && lines > 0 {
        end_run()
        printf "%6.1f %%  %4d of %4d  %s\n", 100 * covered / lines, covered, lines, file
        all_lines += lines
        all_covered += covered
    }
    END {
        if (all_lines == 0) { print "no line of the core was measured"; exit 1 }
        total = 100 * all_covered / all_lines
        printf "%6.1f %%  %4d of %4d  in all\n\nuncovered:\n", total, all_covered, all_lines
        for (i = 1; i <= uncovered_count; i++) print uncovered[i]
        print ""
        for (i = 1; i <= reason_count; i++) {
            if (used[i] || by_chance[i]) continue
            printf "Tests/Support/Coverage/uncovered.txt: fits no uncovered line any more: %s | %s\n", reason_file[i], reason_part[i]
            failed = 1
        }
        if (unexplained > 0) {
            printf "%d uncovered lines have no reason: test them, or say in Tests/Support/Coverage/uncovered.txt why not\n", unexplained
            failed = 1
        }
        if (total < least) {
            printf "%.1f %% of the lines are covered, and at least %s %% have to be\n", total, least
            failed = 1
        }
        exit failed
    }
' "$build/core.lcov"
