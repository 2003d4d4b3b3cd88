import ChildProcesses
import Foundation
import Testing

/// What the compiler says of handlers that are wrong, and that it says nothing of those that are right.
///
/// The sources are Tests/Support/Diagnostics, part of no target. `// expected-error {{text}}` is for its line, with `@-2` for
/// the one two lines above; `warning` and `note` likewise. An error or a warning that nobody expects fails the test, too.
@Suite struct DiagnosticsTests {
    struct Diagnostic: Hashable, CustomStringConvertible {
        let file: String
        let line: Int
        let kind: String
        let text: String
        var description: String { "\(file):\(line): \(kind): \(text)" }

        func meets(_ expectation: Diagnostic) -> Bool {
            (file, line, kind) == (expectation.file, expectation.line, expectation.kind)
                && text.contains(expectation.text)
        }
    }

    @Test("handlers that are wrong are refused, and told what is meant") func handlers() throws {
        let folder = packageRoot.appending(path: "Tests/Support/Diagnostics")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        try #require(files == ["Checked.swift", "Offloads.swift", "Received.swift", "Right.swift", "Unchecked.swift"])
        let expected = try files.flatMap {
            try Self.expectations(String(contentsOf: folder.appending(path: $0), encoding: .utf8), in: $0)
        }
        #expect(expected.count > 40)
        let said = try Self.compile(files.map { folder.appending(path: $0).path })
        for expectation in expected {
            #expect(said.contains { $0.meets(expectation) }, "not said: \(expectation)")
        }
        for diagnostic in said where diagnostic.kind != "note" {
            #expect(expected.contains { diagnostic.meets($0) }, "not expected: \(diagnostic)")
        }
    }

    @Test func expectationsAreRead() {
        let text = """
            a // expected-error {{one}}
            // expected-warning@-1 {{two}} expected-note@+1 {{three {four}}}
            b
            """
        #expect(
            Self.expectations(text, in: "f.swift") == [
                Diagnostic(file: "f.swift", line: 1, kind: "error", text: "one"),
                Diagnostic(file: "f.swift", line: 1, kind: "warning", text: "two"),
                Diagnostic(file: "f.swift", line: 3, kind: "note", text: "three {four}"),
            ])
        #expect(
            Self.diagnostics("/a/b.swift:3:8: error: c: d\n   3 | code\nwarning: of no file\n")
                == [Diagnostic(file: "b.swift", line: 3, kind: "error", text: "c: d")])
    }

    // MARK: - What is expected, and what is said

    static func expectations(_ text: String, in file: String) -> [Diagnostic] {
        var found: [Diagnostic] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for match in line.matches(of: /expected-(error|warning|note)(?:@([+-]\d+))? \{\{(.*?)\}\}(?!\})/) {
                found.append(
                    Diagnostic(
                        file: file, line: index + 1 + (match.2.flatMap { Int($0) } ?? 0), kind: String(match.1),
                        text: String(match.3)))
            }
        }
        return found
    }

    static func diagnostics(_ text: String) -> [Diagnostic] {
        text.split(separator: "\n").compactMap { line in
            guard let match = line.wholeMatch(of: /(?:.*\/)?(\w+\.swift):(\d+):\d+: (error|warning|note): (.*)/) else {
                return nil
            }
            return Diagnostic(
                file: String(match.1), line: Int(match.2)!, kind: String(match.3), text: String(match.4))
        }
    }

    /// Type-checks the files as one module, against the library that the tests are linked with.
    private static func compile(_ files: [String]) throws -> [Diagnostic] {
        let swift = ProcessInfo.processInfo.environment["SWIFT"] ?? "swift"
        let core = packageRoot.appending(path: "CSources/CIOCP/include/module.modulemap").path
        let compiler = try ChildProcess(
            "/usr/bin/env",
            [
                "\(swift)c", "-typecheck", "-wmo", "-parse-as-library", "-swift-version", "6",
                "-diagnostic-style", "llvm", "-I", ChildProcess.buildDirectory() + "/Modules", "-Xcc",
                "-fmodule-map-file=\(core)",
            ] + files)
        let status = try compiler.end()
        if status == 127 { try Test.cancel("\(swift)c is not in PATH") }
        let errors = compiler.text(of: .errors)
        try #require(status == 1, "swiftc ended with \(status), and errors are expected: \(errors)")
        return diagnostics(errors)
    }
}

private let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
