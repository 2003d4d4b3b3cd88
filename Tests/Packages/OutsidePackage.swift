import ChildProcesses
import Foundation

/// A package in a folder of its own that depends on this one by its path; removed with the value.
final class OutsidePackage {
    struct Failure: Error, CustomStringConvertible { let description: String }

    private static let program = """
        import IOCP

        struct Echo: ConnectionHandler {
            func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
                try connection.send(bytes)
            }
        }

        let server = try IOCPServer { _ in Echo() }
        try server.listen(host: "127.0.0.1", port: 0)
        print("started")
        server.stop()
        try server.wait()
        print("stopped")
        """

    /// Tests/Packages/OutsidePackage.swift
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "iocp-outside-\(UUID().uuidString)")
        let sources = folder.appending(path: "Sources/outside")
        try FileManager.default.createDirectory(at: sources, withIntermediateDirectories: true)
        try Self.program.write(to: sources.appending(path: "main.swift"), atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Writes the manifest anew, and forgets what was resolved for the one before.
    func name(traits: String?) throws {
        let manifest = """
            // swift-tools-version: 6.2
            import PackageDescription

            let package = Package(
                name: "outside",
                dependencies: [
                    .package(name: "swift-iocp", path: "\(Self.root)"\(traits.map { ", traits: \($0)" } ?? ""))
                ],
                targets: [
                    .executableTarget(name: "outside", dependencies: [.product(name: "IOCP", package: "swift-iocp")])
                ]
            )
            """
        try manifest.write(to: folder.appending(path: "Package.swift"), atomically: true, encoding: .utf8)
        try? FileManager.default.removeItem(at: resolved)
    }

    /// With one job and behind everything else: other tests of this process measure times meanwhile.
    func build() throws {
        try swift("build", "-j", "1", "--disable-index-store")
    }

    /// Fetches what it depends on, and builds nothing.
    func resolve() throws {
        try swift("package", "resolve")
    }

    private func swift(_ words: String...) throws {
        let swift = ProcessInfo.processInfo.environment["SWIFT"] ?? "swift"
        let build = try ChildProcess(
            "/usr/bin/env", ["nice", "-n", "19", swift, words[0], "--package-path", folder.path] + words.dropFirst(),
            environment: ["TMPDIR": folder.path])  // where SwiftPM leaves its locks
        let status = try build.end(within: .seconds(480))
        guard status == 0 else {
            let said = build.lines(of: .output).suffix(20) + build.lines(of: .errors).suffix(20)
            throw Failure(description: "swift \(words[0]) ended with \(status):\n\(said.joined(separator: "\n"))")
        }
    }

    /// What the program prints, once it ended well.
    func run() throws -> [String] {
        let program = try ChildProcess(folder.appending(path: ".build/debug/outside").path, [])
        let status = try program.end()
        guard status == 0 else { throw Failure(description: "it ended with \(status): \(program.text(of: .errors))") }
        return program.lines(of: .output)
    }

    /// The libraries that the program needs to start, its libraries' own included.
    func linked() throws -> String {
        let list = try ChildProcess("/usr/bin/ldd", [folder.appending(path: ".build/debug/outside").path])
        try list.end()
        return list.text(of: .output)
    }

    // MARK: - What was fetched

    private var resolved: URL { folder.appending(path: "Package.resolved") }

    /// The packages that Package.resolved names; none where there is no such file.
    func pinned() throws -> Set<String> {
        struct Resolved: Decodable {
            struct Pin: Decodable { let identity: String }
            let pins: [Pin]
        }
        guard FileManager.default.fileExists(atPath: resolved.path) else { return [] }
        return Set(try JSONDecoder().decode(Resolved.self, from: Data(contentsOf: resolved)).pins.map(\.identity))
    }

    /// The packages whose sources lie in the build folder.
    func checkedOut() throws -> Set<String> {
        let checkouts = folder.appending(path: ".build/checkouts").path
        guard FileManager.default.fileExists(atPath: checkouts) else { return [] }
        return Set(try FileManager.default.contentsOfDirectory(atPath: checkouts))
    }
}
