import ChildProcesses
import Foundation
import Testing

/// Skips a suite, with the reason shown, where tmux(1) is not installed.
let needsTmux = ConditionTrait.enabled(
    if: FileManager.default.isExecutableFile(atPath: Tmux.program), "\(Tmux.program) is missing: .ci/deps tests")

/// A terminal with a shell in it: a server of tmux of its own, with one window.
final class Tmux {
    static let program = "/usr/bin/tmux"

    private let folder: String
    private var socket: String { folder + "/socket" }
    let iocp: String

    init(columns: Int, rows: Int) throws {
        folder = NSTemporaryDirectory() + "iocp-tmux-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        iocp = try ChildProcess.buildDirectory() + "/iocp"
        _ = try tmux([
            "-f", "/dev/null", "-u", "new-session", "-d", "-x", "\(columns)", "-y", "\(rows)",
            "env -u NO_COLOR LC_ALL=C.UTF-8 PS1='$ ' bash --norc --noprofile",
        ])
        _ = try wait(for: "a prompt") { $0.first?.hasPrefix("$") == true }
    }

    deinit {
        _ = try? tmux(["kill-server"])
        try? FileManager.default.removeItem(atPath: folder)
    }

    @discardableResult
    private func tmux(_ arguments: [String]) throws -> String {
        let child = try ChildProcess(Tmux.program, ["-S", socket] + arguments)
        let status = try child.end()
        guard status == 0 else {
            throw ChildProcess.Failure(description: "tmux \(arguments): \(child.text(of: .errors))")
        }
        return child.text(of: .output)
    }

    /// Keys by tmux's names: "q", "Enter", "Tab", "C-c", "Down".
    func press(_ keys: String...) throws { try tmux(["send-keys"] + keys) }

    /// Types a line into the shell.
    func run(_ line: String) throws {
        try tmux(["send-keys", "-l", line])
        try press("Enter")
    }

    func resize(columns: Int, rows: Int) throws {
        try tmux(["resize-window", "-x", "\(columns)", "-y", "\(rows)"])
    }

    /// - Parameter coloured: with the escape sequences that make the colours.
    func screen(coloured: Bool = false) throws -> [String] {
        try tmux(["capture-pane", "-p"] + (coloured ? ["-e"] : [])).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map(String.init)
    }

    /// What tmux knows of the terminal, as "alternate_on" or "cursor_flag".
    func state(_ variable: String) throws -> String {
        try tmux(["display-message", "-p", "#{\(variable)}"]).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Waits until the screen is so.
    @discardableResult
    func wait(
        for what: String, within limit: Duration = .seconds(20), coloured: Bool = false,
        until isSo: ([String]) -> Bool
    ) throws -> [String] {
        let deadline = ContinuousClock.now + limit
        while true {
            let screen = try screen(coloured: coloured)
            if isSo(screen) { return screen }
            guard ContinuousClock.now < deadline else {
                throw ChildProcess.Failure(
                    description: "no \(what) within \(limit):\n" + screen.joined(separator: "\n"))
            }
        }
    }

    @discardableResult
    func wait(showing text: String, within limit: Duration = .seconds(20)) throws -> [String] {
        try wait(for: "'\(text)'", within: limit) { $0.contains { $0.contains(text) } }
    }

    /// Waits until the terminal has the shell's screen again, and tells whether its settings are these.
    func isRestored(_ settings: String) throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while try state("alternate_on") != "0" { try #require(ContinuousClock.now < deadline) }
        return try self.settings() == settings && state("cursor_flag") == "1"
    }

    /// The terminal's settings, as stty(1) writes them.
    func settings() throws -> String {
        let file = folder + "/settings"
        try? FileManager.default.removeItem(atPath: file)
        try run("stty -g > \(file).part && mv \(file).part \(file)")
        let deadline = ContinuousClock.now + .seconds(10)
        while !FileManager.default.fileExists(atPath: file) { try #require(ContinuousClock.now < deadline) }
        return try String(contentsOfFile: file, encoding: .utf8)
    }
}
