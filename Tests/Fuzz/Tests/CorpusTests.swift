import FuzzTargets
import Glibc
import Testing

/// Every input of the corpora, once, without a fuzzer: what was found stays found. An input that breaks its target
/// ends the process that runs it.
///
/// `operations` is among the tests of the sim, and `cli` needs libFuzzer's build.
@Suite struct CorpusTests {
    @Test func address() async {
        await #expect(processExitsWith: .success) { try Corpus.replay("address") { fuzz_address($0, $1) } }
    }

    @Test func config() async {
        await #expect(processExitsWith: .success) { try Corpus.replay("config") { fuzz_config($0, $1) } }
    }

    @Test func decode() async {
        await #expect(processExitsWith: .success) { try Corpus.replay("decode") { fuzz_decode($0, $1) } }
    }

    @Test func stats() async {
        await #expect(processExitsWith: .success) { try Corpus.replay("stats") { fuzz_stats($0, $1) } }
    }

    @Test func tls() async {
        await #expect(processExitsWith: .success) { try Corpus.replay("tls") { fuzz_tls($0, $1) } }
    }

    @Test func token() async {
        await #expect(processExitsWith: .success) { try Corpus.replay("token") { fuzz_token($0, $1) } }
    }
}

/// Tests/Fuzz/Corpus.
enum Corpus {
    struct Missing: Error { let path: String }

    private static let root: String = {
        // Tests/Fuzz/Tests/CorpusTests.swift
        let fuzz = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        return fuzz + "/Corpus"
    }()

    static func replay(_ target: String, _ run: (UnsafePointer<UInt8>?, Int) -> Void) throws {
        let paths = try files(of: target)
        guard !paths.isEmpty else { throw Missing(path: root + "/" + target) }
        for path in paths {
            print(path) // the last one is the one that broke it
            let input = try bytes(of: path)
            input.withUnsafeBufferPointer { run($0.baseAddress, $0.count) }
        }
    }

    static func files(of target: String) throws -> [String] {
        let path = root + "/" + target
        guard let directory = opendir(path) else { throw Missing(path: path) }
        defer { closedir(directory) }
        var paths: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { paths.append(path + "/" + name) }
        }
        return paths.sorted()
    }

    private static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw Missing(path: path) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }
}
