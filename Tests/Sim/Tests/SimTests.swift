import Glibc
import OwnThreads
import Testing

/// The played kernel under the real worker (guarantees G1-G7, G9): `iocp-sim`, as a process of its own.
@Suite(.serialized, .ownThreads) struct SimTests {
    /// What a run said, and how it ended.
    struct Run {
        let status: Int32
        let text: String
    }

    /// How long seeds are played here; `make sim` plays as many as wanted.
    static var seconds: UInt64 {
        guard let value = getenv("IOCP_SIM_SECONDS") else { return 60 }
        return UInt64(String(cString: value)) ?? 60
    }

    @Test func everyPromiseIsKeptForAWhile() throws {
        // The same seeds each time, so that a failure is the change's; random ones are for `make sim`.
        let run = try Self.sim("--seeds", "20000", "--seconds", "\(Self.seconds)")
        print(run.text)
        #expect(run.status == 0, "\(run.text)replay with: make sim SEED=…")
    }

    @Test func connectionsThatMoveKeepEveryPromiseForAWhile() throws {
        let run = try Self.sim("--moves", "--seeds", "10000", "--seconds", "\(Self.seconds / 2)")
        print(run.text)
        #expect(run.status == 0, "\(run.text)replay with: iocp-sim --moves --seed …")
        let moves = run.text.split(separator: "\n").last?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        #expect(moves > 1_000, "few connections moved")
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8], [[], ["--moves"]] as [[String]])
    func aSeedReplaysExactly(seed: Int, played: [String]) throws {
        func trace() throws -> [Substring] {
            let run = try Self.sim(played + ["--seed", "\(seed)"])
            #expect(run.status == 0)
            return run.text.split(separator: "\n").filter { !$0.contains("seeds/s") } // the one line that tells real time
        }
        let first = try trace()
        #expect(first.count > 50, "little happened")
        #expect(try trace() == first)
    }

    /// What the fuzzer's inputs decide (Tests/Fuzz), once each: what was found stays found.
    @Test func inputsOfTheFuzzerKeepEveryPromise() throws {
        let inputs = try Self.inputs()
        try #require(inputs.count > 10)
        let run = try Self.sim(["--input"] + inputs)
        #expect(run.status == 0, "\(run.text)replay with: make sim INPUT=…")
        let first = try Self.sim("--input", inputs[0]), again = try Self.sim("--input", inputs[0])
        #expect(first.status == 0 && first.text == again.text, "an input replays exactly")
    }

    /// Fixed seeds, so that a pair that is not given any more is a change of the sim's, and no chance.
    @Test func everyErrorItCanGiveIsGiven() throws {
        let run = try Self.sim("--first", "1", "--seeds", "2000", "--failures")
        #expect(run.status == 0, "\(run.text)")
        #expect(run.text.contains("104 pairs of operation and error given"))
    }

    @Test func whatItIsNotAskedItRefuses() throws {
        for arguments in [["--seed"], ["--input"], ["--seeds", "many"], ["--jobs", "0"], ["--sail", "1"]] {
            let run = try Self.sim(arguments)
            #expect(run.status == 2 && run.text.hasPrefix("usage:"))
        }
    }

    /// Tests/Fuzz/Corpus/operations.
    static func inputs() throws -> [String] {
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let folder = tests + "/Fuzz/Corpus/operations"
        guard let directory = opendir(folder) else { throw Failure(description: "no \(folder)") }
        defer { closedir(directory) }
        var paths: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { paths.append(folder + "/" + name) }
        }
        return paths.sorted()
    }

    // MARK: - The process

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static func sim(_ arguments: String...) throws -> Run { try sim(arguments) }

    /// Runs it to its end, reading what it says on both streams.
    static func sim(_ arguments: [String]) throws -> Run {
        let path = try program("iocp-sim")
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Failure(description: "no pipe: errno \(errno)") }
        // Another child that kept the writing end would hide this one's end.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var child: pid_t = 0
        let result = posix_spawn(&child, path, &actions, nil, &words, environ)
        close(ends[1])
        guard result == 0 else { throw Failure(description: "\(path) does not start: \(String(cString: strerror(result)))") }

        var said: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(ends[0], &block, block.count)
            if count > 0 { said += block[..<count] }
            if count == 0 || (count < 0 && errno != EINTR) { break }
        }
        var raw: Int32 = 0
        while waitpid(child, &raw, 0) < 0, errno == EINTR {}
        let status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : -(raw & 0x7f)
        return Run(status: status, text: String(decoding: said, as: UTF8.self))
    }

    /// Where the tests were built, and the programs with them.
    static func program(_ name: String) throws -> String {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink("/proc/self/exe", &path, Int(PATH_MAX))
        var candidates = [String(decoding: path.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)]
        candidates.append(CommandLine.arguments[0])
        if let at = CommandLine.arguments.firstIndex(of: "--test-bundle-path"), at + 1 < CommandLine.arguments.count {
            candidates.append(CommandLine.arguments[at + 1])
        }
        for candidate in candidates {
            let folder = candidate.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            if access(folder + "/" + name, X_OK) == 0 { return folder + "/" + name }
        }
        throw Failure(description: "\(name) is not beside the tests (\(candidates.joined(separator: ", ")))")
    }
}
