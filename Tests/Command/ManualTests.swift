import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// Manual pages, completions, and what `make install` does with them.
    @Suite struct Manual {
        private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        private static let mandoc = "/usr/bin/mandoc"

        private static func names(of folder: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)) ?? []).sorted()
        }

        private static let pages = names(of: "man")

        private func text(of path: String) throws -> String {
            try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
        }

        /// The output of a program that has to succeed.
        private func output(of program: String, _ arguments: [String]) throws -> String {
            let child = try ChildProcess(program, arguments)
            #expect(try child.end() == 0, "\(child.text(of: .output))\(child.text(of: .errors))")
            return child.text(of: .output)
        }

        @Test("the committed pages and completions are what this command makes")
        func areNotStale() throws {
            let command = try ChildProcess.buildDirectory() + "/iocp"
            _ = try output(of: "iocp-docs", ["man", "--check", command, Self.root.path])
        }

        @Test(
            "a page is a manual page without a warning",
            .enabled(
                if: FileManager.default.isExecutableFile(atPath: mandoc), "mandoc is not installed: .ci/deps tests"),
            arguments: pages)
        func areManualPages(page: String) throws {
            let path = Self.root.appending(path: "man/" + page).path
            let said = try output(of: Self.mandoc, ["-Tlint", "-W", "warning", path])
            #expect(said == "")
        }

        @Test("each subcommand has a page, with every option of its --help")
        func haveEveryOption() throws {
            let help = try Outcome(of: ["--help"]).output
            let listed = help.split(separator: "\n").drop { $0 != "SUBCOMMANDS:" }.dropFirst()
            let subcommands = listed.filter { $0.hasPrefix("  ") && $0.dropFirst(2).first != " " }
                .compactMap { $0.split(separator: " ").first.map(String.init) }.filter { $0 != "See" }
            #expect(subcommands.contains("serve") && subcommands.contains("stats"))
            #expect(Self.pages == (["iocp.1"] + subcommands.map { "iocp-\($0).1" }).sorted())
            for subcommand in subcommands {
                let page = try text(of: "man/iocp-\(subcommand).1").replacing("\\-", with: "-")
                let options = try Outcome(of: [subcommand, "--help"]).output.split(separator: "\n")
                    .drop { $0 != "OPTIONS:" }.filter { $0.hasPrefix("  -") }
                    .flatMap { $0.split(separator: " ").filter { $0.hasPrefix("--") } }
                    .flatMap { $0.split(separator: "/") }.map { $0.trimmingCharacters(in: [","]) }
                #expect(options.count >= 2)
                for option in options { #expect(page.contains(option), "\(subcommand) \(option)") }
            }
        }

        @Test("bash completes subcommands and options")
        func bashCompletes() throws {
            let script = Self.root.appending(path: "completions/iocp.bash").path
            func completions(of words: [String]) throws -> [String] {
                let program = """
                    source "$1"; shift
                    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
                    complete=$(complete -p iocp | sed 's/.*-F \\([^ ]*\\).*/\\1/')
                    "$complete" iocp "${COMP_WORDS[$COMP_CWORD]}" "${COMP_WORDS[$COMP_CWORD - 1]}"
                    printf '%s\\n' "${COMPREPLY[@]}"
                    """
                return try output(of: "/bin/bash", ["-c", program, "bash", script] + words).split(separator: "\n")
                    .map { $0.trimmingCharacters(in: .whitespaces) }
            }
            let subcommands = try completions(of: ["iocp", "s"])
            #expect(Set(subcommands).isSuperset(of: ["serve", "stress", "stats"]), "\(subcommands)")
            #expect(try completions(of: ["iocp", "serve", "--dr"]) == ["--driver"])
            #expect(try completions(of: ["iocp", "serve", "--driver", ""]) == ["auto", "uring", "epoll"])
        }

        private func expectScript(_ shell: String, _ name: String) throws {
            _ = try output(of: shell, ["-n", Self.root.appending(path: "completions/" + name).path])
        }

        @Test("bash reads its completions") func bashReads() throws { try expectScript("/bin/bash", "iocp.bash") }

        @Test(
            "zsh reads its completions",
            .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/zsh"), "zsh is not installed"))
        func zshReads() throws { try expectScript("/usr/bin/zsh", "_iocp") }

        @Test(
            "fish reads its completions",
            .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/fish"), "fish is not installed"))
        func fishReads() throws { try expectScript("/usr/bin/fish", "iocp.fish") }

        @Test("make install puts everything where a system looks for it")
        func installs() throws {
            let files = FileManager.default
            let place = files.temporaryDirectory.appending(
                path: "iocp-install-\(ProcessInfo.processInfo.processIdentifier)")
            defer { try? files.removeItem(at: place) }
            let command = try ChildProcess.buildDirectory() + "/iocp"
            _ = try output(
                of: "/usr/bin/make",
                [
                    "--no-print-directory", "-C", Self.root.path, "install", "IOCP=\(command)", "DESTDIR=\(place.path)",
                    "PREFIX=/usr",
                ])
            let installed = try files.subpathsOfDirectory(atPath: place.path).filter {
                var isFolder: ObjCBool = false
                return files.fileExists(atPath: place.appending(path: $0).path, isDirectory: &isFolder)
                    && !isFolder.boolValue
            }
            let expected =
                [
                    "usr/bin/iocp", "usr/share/bash-completion/completions/iocp",
                    "usr/share/fish/vendor_completions.d/iocp.fish",
                    "usr/share/zsh/site-functions/_iocp",
                ] + Self.pages.map { "usr/share/man/man1/" + $0 }
            #expect(Set(installed) == Set(expected))
            let version = try output(of: place.appending(path: "usr/bin/iocp").path, ["--version"])
            #expect(version == (try Outcome(of: ["--version"]).output))
        }
    }
}
