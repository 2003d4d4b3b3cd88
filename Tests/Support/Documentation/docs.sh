#!/bin/sh
# Builds the documentation of every library product into .build-docs, and fails on the first warning; then checks the comments of
# public symbols, and the links of all documents. It takes the toolchain's own docc, so the package depends on nothing for it.
set -eu
cd "$(dirname "$0")/../../.."
swift=${SWIFT:-swift}
modules="IOCP IOCPTLS IOCPService IOCPNIO"
out=.build-docs

toolchain=$("$swift" -print-target-info | sed -n 's/.*"runtimeResourcePath": "\([^"]*\)".*/\1/p' | head -1)
docc=$(dirname "$(dirname "$toolchain")")/bin/docc
[ -x "$docc" ] || {
    echo "docs: the Swift toolchain has no docc ($docc): take one of https://www.swift.org/install" >&2
    exit 1
}

for module in $modules; do "$swift" build --enable-all-traits --target "$module"; done
"$swift" build --enable-all-traits --product iocp-docs
build=$("$swift" build --enable-all-traits --show-bin-path)
rm -rf "$out"
for module in $modules; do
    Tests/Support/Documentation/symbols.sh "$module" "$build" "$out/symbols/$module"
    catalogue=Sources/$module/$module.docc
    [ -d "$catalogue" ] || catalogue=""
    # A parameter whose name and type say all has no description. That one which is described exists is checked below.
    # shellcheck disable=SC2086
    "$docc" convert $catalogue --additional-symbol-graph-dir "$out/symbols/$module" --output-dir "$out/$module.doccarchive" \
        --fallback-display-name "$module" --fallback-bundle-identifier "org.swift-iocp.$module" \
        --warnings-as-errors --disable-parameters-and-returns-validation
done
"$build/iocp-docs" comments . "$out"/symbols/*/*.json
"$build/iocp-docs" topics "$out/IOCP.doccarchive" IOCP
"$build/iocp-docs" links .
"$docc" merge --synthesized-landing-page-name swift-iocp --output-path "$out/swift-iocp.doccarchive" \
    $(for module in $modules; do echo "$out/$module.doccarchive"; done)
echo "docs: to read it: python3 -m http.server --directory $out/swift-iocp.doccarchive, then /documentation"
