import Foundation

/// Manual pages and completions, as the command of this build makes them.
struct GeneratedFiles {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// A path within the project, and what the file is to have.
    struct File {
        let path: String
        let text: String
    }

    private static let pages = "man"
    /// By the names that their shells look for.
    private static let completions = [
        (shell: "bash", path: "completions/iocp.bash"), (shell: "zsh", path: "completions/_iocp"),
        (shell: "fish", path: "completions/iocp.fish"),
    ]

    private let root: URL
    private let files: [File]

    /// Asks the command. A page that would change by nothing but its date keeps the date.
    /// - Parameters:
    ///   - command: the program, as it was built.
    ///   - root: of the project.
    init(of command: String, in root: URL) throws {
        self.root = root
        func ask(_ arguments: [String]) throws -> String { try GeneratedFiles.output(of: command, arguments) }
        let description = try CommandDescription(json: Data(try ask(["--experimental-dump-help"]).utf8))
        let version = try ask(["--version"]).trimmingCharacters(in: .whitespacesAndNewlines)
        let today = Date.now.formatted(.iso8601.year().month().day())
        var files = ManualPage.pages(of: description, version: version).map { page in
            let path = "\(GeneratedFiles.pages)/\(page.fileName)"
            let present = GeneratedFiles.text(of: path, in: root)
            let dated = present.flatMap(ManualPage.date).map { page.text(dated: $0) }
            return File(path: path, text: present == dated ? dated ?? page.text(dated: today) : page.text(dated: today))
        }
        for (shell, path) in GeneratedFiles.completions {
            files.append(File(path: path, text: try ask(["--generate-completion-script", shell])))
        }
        self.files = files
    }

    /// One line for each file that is not what the command makes.
    var stale: [String] {
        files.filter { GeneratedFiles.text(of: $0.path, in: root) != $0.text }
            .map { "\($0.path) is not what the command says: make man" }
            + leftOver.map { "\($0) is of no subcommand: make man" }
    }

    /// Writes what is stale, and says so.
    func write() throws {
        for file in files where GeneratedFiles.text(of: file.path, in: root) != file.text {
            let place = root.appending(path: file.path)
            try FileManager.default.createDirectory(
                at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try file.text.write(to: place, atomically: true, encoding: .utf8)
            print("wrote \(file.path)")
        }
        for path in leftOver {
            try FileManager.default.removeItem(at: root.appending(path: path))
            print("removed \(path)")
        }
    }

    /// Pages of subcommands that are no more.
    private var leftOver: [String] {
        let folder = root.appending(path: GeneratedFiles.pages).path
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            .map { "\(GeneratedFiles.pages)/\($0)" }.filter { path in !files.contains { $0.path == path } }
    }

    private static func text(of path: String, in root: URL) -> String? {
        try? String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// Runs a program to its end and returns what it prints.
    private static func output(of program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let words = ([program] + arguments).joined(separator: " ")
            throw Failure(description: "\(words) ended with \(process.terminationStatus)")
        }
        return String(decoding: data, as: UTF8.self)
    }
}
