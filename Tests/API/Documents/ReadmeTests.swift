import ChildProcesses
import Foundation
import IOCP
import Testing

/// Code in the documentation is a program of this package, line for line. But for what the test itself needs: a line that
/// ends in "// for the test" is the program's alone, and it is told its port.
private func program(_ name: String) throws -> String {
    try String(contentsOf: packageRoot.appending(path: "Tests/Support/\(name)/main.swift"), encoding: .utf8)
        .split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasSuffix("// for the test") }
        .joined(separator: "\n").replacing("Int(CommandLine.arguments[1])!", with: "4666")
}

private let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

/// The fenced Swift blocks of a file, in its text or in its comments.
private func blocks(_ path: String) throws -> [String] {
    var blocks: [String] = []
    var block: [String]?
    for line in try String(contentsOf: packageRoot.appending(path: path), encoding: .utf8).split(
        separator: "\n", omittingEmptySubsequences: false)
    {
        let text = line.drop { $0 == " " }
        let content =
            path.hasSuffix(".swift") && text.hasPrefix("///")
            ? String(text.dropFirst(3).hasPrefix(" ") ? text.dropFirst(4) : text.dropFirst(3))
            : String(line)
        let fence = content.drop { $0 == " " }
        if block == nil, fence.hasPrefix("```swift") {
            block = []
        } else if let lines = block, fence.hasPrefix("```") {
            blocks.append((lines + [""]).joined(separator: "\n"))
            block = nil
        } else {
            block?.append(content)
        }
    }
    return blocks
}

private let documents: [String] = {
    let files = FileManager.default.enumerator(atPath: packageRoot.path)
    var found: [String] = []
    for case let path as String in files ?? .init() {
        if path.hasPrefix(".") || path.contains("/.") {
            if path.hasSuffix("/.build") || path == ".build" { files?.skipDescendants() }
            continue
        }
        if path.hasSuffix(".md") || (path.hasSuffix(".swift") && path.hasPrefix("Sources/")) { found.append(path) }
    }
    return found.sorted()
}()

/// A part of a program in a comment stands in one of these files, line for line but for its indentation.
private func examples() throws -> [String] {
    let folder = packageRoot.appending(path: "Tests")
    return try ["API", "Service", "NIO"].flatMap { tests in
        try FileManager.default.subpathsOfDirectory(atPath: folder.appending(path: tests).path)
            .filter { $0.hasSuffix("Examples.swift") }.map { folder.appending(path: "\(tests)/\($0)") }
    }.map { trimmed(try String(contentsOf: $0, encoding: .utf8)) }
}

private func echoOfNIO() throws -> String {
    let path = "bench/baselines/nio/Sources/Support/EchoHandler.swift"
    return try String(contentsOf: packageRoot.appending(path: path), encoding: .utf8)
}

private func trimmed(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        .joined(separator: "\n")
}

@Suite struct DocumentedCode {
    /// Documents that may have parts of programs.
    private static let withParts = [
        "docs/GUIDE.md", "docs/GUIDE.zh-CN.md", "docs/TLS.md", "docs/SERVICE.md", "docs/NIO.md", "docs/OBSERVING.md",
        "docs/STATS.md", "README.zh-CN.md",
    ]

    @Test func everyBlockIsAProgramThatIsBuilt() throws {
        let built = try ["ReadmeServer", "ReadmeAsync", "ReadmeLoop", "ReadmeFrames"].map(program)
        let examples = try examples()
        let guides = try ["GuideServer", "GuideAsync", "GuideEcho"].map(program)
        var seen: Set<String> = []
        for path in documents {
            for block in try blocks(path) where !block.hasPrefix("// Package.swift\n") {
                let takesParts = path.hasPrefix("Sources/") || Self.withParts.contains(path)
                if takesParts, examples.contains(where: { $0.contains(trimmed(block)) }) { continue }
                // What a reader comes from, as the bench builds it.
                if path == "docs/MIGRATING.md", try echoOfNIO().contains(block) { continue }
                if takesParts, guides.contains(where: { $0.contains(block) }) { continue }
                #expect(
                    built.contains(block),
                    "\(path): neither a program of Tests/Support/Readme* nor an example:\n\(block)")
                seen.insert(block)
            }
        }
        #expect(seen == Set(built))
        #expect(try blocks("README.md").count == 5)
        for text in built { #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 <= 15) }
    }

    @Test func theDependencyIsWrittenAsThePackageIsNamed() throws {
        let manifest = try String(contentsOf: packageRoot.appending(path: "Package.swift"), encoding: .utf8)
        let block = try #require(try blocks("README.md").first { $0.hasPrefix("// Package.swift\n") })
        #expect(block.contains(#".product(name: "IOCP", package: "swift-iocp")"#))
        #expect(manifest.contains(#"name: "swift-iocp","#) && manifest.contains(#".library(name: "IOCP""#))
    }
}

extension RealSockets {
    /// The programs of the README, run as they stand, against peers that a server meets.
    @Suite(.timeLimit(.minutes(2))) struct ReadmePrograms {
        static let programs = ["ReadmeServer", "ReadmeAsync", "ReadmeLoop"]

        /// A program that listens on a port of its own.
        private func start(_ program: String) throws -> (process: ChildProcess, port: Int) {
            let process = try ChildProcess(program, ["0"])
            let line = try process.line(of: .output, beginning: "listening on 127.0.0.1:")
            return (process, try #require(Int(line.split(separator: ":").last!)))
        }

        private func expectEcho(_ port: Int) throws {
            let peer = try Peer.connect(port: port)
            try peer.send(pattern(100_000))
            #expect(try peer.receive(100_000) == pattern(100_000))
        }

        /// It ends by nothing but this.
        private func expectToLive(_ process: ChildProcess) throws {
            process.signal(SIGKILL)
            #expect(try process.end() == -SIGKILL)
        }

        @Test("clients that reset end nobody else", arguments: programs)
        func resets(program: String) throws {
            let (process, port) = try start(program)
            for round in 0..<3_000 {
                let peer = try Peer.connect(port: port)
                peer.resetOnClose()
                if round % 3 > 0 { try peer.send(pattern(round % 3 == 1 ? 64 : 200_000)) }
            }
            try expectEcho(port)
            try expectToLive(process)
        }

        @Test("clients that finish sending get everything back, then the end", arguments: programs)
        func halfCloses(program: String) throws {
            let (process, port) = try start(program)
            for round in 0..<300 {
                let peer = try Peer.connect(port: port)
                let message = pattern(round * 30 + 1)
                try peer.send(message)
                peer.finishSending()
                #expect(try peer.receive(message.count) == message)
                #expect(peer.end() == .finished)
            }
            try expectEcho(port)
            try expectToLive(process)
        }

        @Test("2,000 clients at once, a third of which reset", arguments: programs)
        func crowd(program: String) throws {
            let (process, port) = try start(program)
            var peers = try (0..<2_000).map { _ in try Peer.connect(port: port) }
            for (index, peer) in peers.enumerated() { try peer.send(pattern(1_000, seed: UInt64(index))) }
            for (index, peer) in peers.enumerated() where index % 3 == 0 { peer.resetOnClose() }
            for (index, peer) in peers.enumerated() where index % 3 != 0 {
                #expect(try peer.receive(1_000) == pattern(1_000, seed: UInt64(index)))
            }
            peers = peers.enumerated().filter { $0.offset % 3 != 0 }.map(\.element)
            for peer in peers { try peer.send([42]) }
            for peer in peers { #expect(try peer.receive(1) == [42]) }
            try expectToLive(process)
        }
    }
}
