import ChildProcesses
import Foundation
import Testing

/// What the documentation says of the library is there, and leads somewhere. `make docs` looks at the rest with docc.
@Suite struct Documentation {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Runs a program to its end; what it complained of is the failure.
    private func expectSilence(_ program: String, _ arguments: [String]) throws {
        let child = try ChildProcess(program, arguments)
        #expect(try child.end() == 0, "\(child.text(of: .errors))")
    }

    @Test("every link of every document leads somewhere")
    func links() throws { try expectSilence("iocp-docs", ["links", Self.root.path]) }

    @Test("every public symbol has a comment", arguments: ["IOCP", "IOCPTLS", "IOCPService", "IOCPNIO"])
    func comments(module: String) throws {
        let files = FileManager.default
        let graphs = files.temporaryDirectory.appending(path: "iocp-symbols-\(module)-\(getpid())")
        defer { try? files.removeItem(at: graphs) }
        let script = Self.root.appending(path: "Tests/Support/Documentation/symbols.sh").path
        try expectSilence("/bin/sh", [script, module, try ChildProcess.buildDirectory(), graphs.path])
        let paths = try files.contentsOfDirectory(atPath: graphs.path).map { graphs.appending(path: $0).path }
        #expect(paths.contains { $0.hasSuffix("/\(module).symbols.json") })
        try expectSilence("iocp-docs", ["comments", Self.root.path] + paths)
    }

    /// Names of an article on Qt over completion ports, and ours for the two that are its constants. A reader who knows nothing
    /// else finds them near the top.
    @Test(
        "the Chinese README names what its readers look for",
        arguments: [
            "listen", "IocpContext", "ConnectionPool", "iocp stress", "MAX_CONCURRENT_THREADS", "MEMORY_PAGE_SIZE",
            "PortConfiguration.workers", "PortConfiguration.receiveBufferBytes",
        ])
    func chineseNames(name: String) throws {
        let text = try String(contentsOf: Self.root.appending(path: "README.zh-CN.md"), encoding: .utf8)
        let rows = text.split(separator: "\n").prefix(40).filter { $0.hasPrefix("|") }
        #expect(rows.contains { $0.contains("`\(name)") }, "no row of a table near the top has \(name)")
    }
}
