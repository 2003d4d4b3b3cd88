#if Service
import Configuration
import Foundation
import IOCP
@testable import IOCPService
import Testing

@Suite struct SettingsTests {
    /// Reads one setting from the environment alone.
    private func read(_ setting: Setting, _ text: String) throws -> ServiceSettings {
        var environment = [setting.variable(scope: "iocp"): text]
        if let needed = setting.needs.flatMap({ key in Setting.all.first { $0.key == key } }) {
            environment[needed.variable(scope: "iocp")] = needed.form.isTime ? "1s" : "a.pem"
        }
        return try ServiceSettings(
            ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment)))
    }

    @Test func everyPropertyOfThePortAndOfListenersHasASetting() {
        let port = Set(Setting.port.map(\.key))
        let properties = Set(Mirror(reflecting: PortConfiguration()).children.compactMap(\.label))
        #expect(port == properties.subtracting(["listenBacklog"]), "listen.backlog stands for it")
        let listen = Set(Setting.listen.map { String($0.key.split(separator: ".")[1]) })
        let options = Set(Mirror(reflecting: ListenOptions()).children.compactMap(\.label))
        #expect(listen.subtracting(["addresses"]) == options.subtracting(["security"]))
        #expect(Set(Setting.all.map { $0.variable(scope: "iocp") }).count == Setting.all.count)
        #expect(Set(Setting.all.map { $0.argument(scope: "iocp") }).count == Setting.all.count)
    }

    @Test(arguments: Setting.all.map(\.key)) func isWhatItWasFromEverySource(_ key: String) async throws {
        let setting = try #require(Setting.all.first { $0.key == key })
        let text = setting.sample
        let expected = try read(setting, text)
        #expect(setting.text(expected) == text)
        var arguments = ["service", setting.argument(scope: "iocp"), text]
        var path: [String: Any] = [String(key.split(separator: ".").last!): text]
        if let needed = setting.needs.flatMap({ key in Setting.all.first { $0.key == key } }) {
            let sample = needed.form.isTime ? "1s" : "a.pem"
            arguments += [needed.argument(scope: "iocp"), sample]
            if key.split(separator: ".").dropLast() == needed.key.split(separator: ".").dropLast() {
                path[String(needed.key.split(separator: ".").last!)] = sample
            }
        }
        let given = try await SettingsSources(arguments: arguments, environment: [:]).settings()
        #expect(setting.text(given) == text)
        for part in key.split(separator: ".").dropLast().reversed() { path = [String(part): path] }
        let file = FileManager.default.temporaryDirectory.appending(path: "iocp-\(UUID().uuidString).json")
        try JSONSerialization.data(withJSONObject: ["iocp": path, "greeting": "hello"]).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let sources = try await SettingsSources(arguments: ["service"], environment: ["IOCP_FILE": file.path])
        #expect(setting.text(try sources.settings()) == text)
        #expect(sources.reader.string(forKey: "greeting") == "hello")
    }

    @Test(arguments: Setting.all.filter { !$0.form.takesAnything }.map(\.key))
    func whatIsNoValueIsRefusedByItsName(_ key: String) throws {
        let setting = try #require(Setting.all.first { $0.key == key })
        for text in ["nonsense", "", "-1", "12 apples"] {
            do {
                _ = try read(setting, text)
                Issue.record("\(key) took '\(text)'")
            } catch let error as SettingsError {
                let told = error.description
                let name = String(key.split(separator: ".").last!)
                #expect(told.contains(name) && (told.contains("may be") || told.contains("(")), "\(told)")
                #expect(!told.contains("\n"), "\(told)")
            }
        }
    }

    @Test func boundsComeFromTheChecksThemselves() throws {
        func bounds(_ key: String) throws -> String { try #require(Setting.all.first { $0.key == key }).bounds }
        #expect(try bounds("workers") == "a number, at most 1,024")
        #expect(try bounds("receiveBufferBytes") == "bytes: 65536, 64KiB, 1MiB; a power of two, 4,096 to 1,048,576")
        #expect(try bounds("idleTimeout") == "a time: 250ms, 30s, 5m, 1h; at most one day; or never")
        #expect(try bounds("listen.backlog") == "a number, 1 to 65536; or default")
        #expect(try bounds("drain") == "a time: 250ms, 30s, 5m, 1h; 0s to 1d")
        #expect(try bounds("sendLowWatermark").hasSuffix("less than sendHighWatermark"))
    }

    @Test func numbersAndArraysOfAFileAreTaken() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "iocp-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = """
            {"iocp": {"workers": 3, "lockdown": true, "listen": {"addresses": ["127.0.0.1:1", "unix:@a", "[::1]:2"]}}}
            """
        try text.write(to: file, atomically: true, encoding: .utf8)
        let settings = try await SettingsSources(
            arguments: ["service", "--iocp-file", file.path, "--iocp-workers", "5"],
            environment: ["IOCP_WORKERS": "4", "IOCP_RECEIVE_BUFFERS_PER_WORKER": "16"]
        ).settings()
        #expect(settings.port.workers == 5, "arguments go first")
        #expect(settings.port.lockdown)
        #expect(settings.port.receiveBuffersPerWorker == 16)
        #expect(settings.addresses.map(\.description) == ["127.0.0.1:1", "unix:@a", "[::1]:2"])
        #expect(
            settings.changedValues.map(\.key)
                == ["listen.addresses", "workers", "receiveBuffersPerWorker", "lockdown"])
    }

    @Test func whatIsNoSettingIsRefused() async throws {
        await #expect(throws: SettingsError(["--iocp-wokers is no setting: did you mean --iocp-workers?"])) {
            _ = try await SettingsSources(arguments: ["service", "--iocp-wokers", "4"], environment: [:])
        }
        await #expect(throws: SettingsError(["IOCP_WOKERS is no setting: did you mean IOCP_WORKERS?"])) {
            _ = try await SettingsSources(arguments: ["service"], environment: ["IOCP_WOKERS": "4", "OTHER": "1"])
        }
        for (arguments, problem) in [
            (["-iocp-drain", "3s"], "-iocp-drain is no setting: did you mean --iocp-drain?"),
            (["--IOCP-DRAIN", "3s"], "--IOCP-DRAIN is no setting: did you mean --iocp-drain?"),
            (["--iocp_workers=1"], "--iocp_workers is no setting: did you mean --iocp-workers?"),
            (["--iocp-workers", "1", "--iocp-workers", "2"], "--iocp-workers is given twice"),
            (["--iocp-file"], "--iocp-file has no value: --iocp-file VALUE"),
            (
                ["--iocp-listen-addresses", "--iocp-lockdown"],
                "--iocp-listen-addresses has no value: --iocp-listen-addresses VALUE"
            ),
        ] {
            await #expect(throws: SettingsError([problem])) {
                _ = try await SettingsSources(arguments: ["service"] + arguments, environment: [:])
            }
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "iocp-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try #"{"iocp": {"listen": {"adresses": []}}, "mine": 1}"#.write(to: file, atomically: true, encoding: .utf8)
        await #expect(
            throws: SettingsError([
                "iocp.listen.adresses in \(file.path) is no setting: did you mean iocp.listen.addresses?"
            ])
        ) {
            _ = try await SettingsSources(arguments: ["service", "--iocp-file", file.path], environment: [:])
        }
        for broken in ["{", "[]", "", "{\n  \"iocp\": {\"workers\" 4}\n}"] {
            try broken.write(to: file, atomically: true, encoding: .utf8)
            let problem = try await problems(ofFile: file.path).first ?? ""
            #expect(problem.hasPrefix("\(file.path) cannot be read as settings: it is no JSON object"), "\(problem)")
            #expect(problem.count < file.path.count + 120, "\(problem)")
        }
        #expect(
            try await problems(ofFile: "/none/there")
                == ["/none/there cannot be read as settings: No such file or directory"])
        #expect(
            try await problems(ofFile: "/", and: ["--iocp-tls-key-files", "a"])
                == ["/ cannot be read as settings: Is a directory"], "what the file lacks for others is not known")
        for (wrong, problem) in [
            (#"{"iocp": 5}"#, "iocp in \(file.path) is no setting"),
            (#"{"iocp": {"workers": {}}}"#, "iocp.workers in \(file.path) is an object, and may be a number"),
            (#"{"iocp": {"workers": true}}"#, "iocp.workers in \(file.path) is true or false, and may be a number, at most 1,024"),
            (#"{"iocp": {"workers": [4, 5]}}"#, #"iocp.workers is "4.0,5.0", and may be a number, at most 1,024"#),
            (#"{"iocp": {"listen": {"addresses": [4666]}}}"#, #"iocp.listen.addresses is "4666.0", and may be HOST:PORT"#),
            (
                #"{"iocp": {"sendHighWatermark": "128MiB", "sendLowWatermark": "2MiB"}}"#,
                #"iocp.sendHighWatermark is "128MiB""#
            ),
        ] {
            try wrong.write(to: file, atomically: true, encoding: .utf8)
            let found = try await problems(ofFile: file.path)
            #expect(found.count == 1 && found.first?.hasPrefix(problem) == true, "\(wrong): \(found)")
        }
    }

    private func problems(ofFile path: String, and more: [String] = []) async throws -> [String] {
        do {
            _ = try await SettingsSources(arguments: ["service", "--iocp-file", path] + more, environment: [:]).settings()
            return []
        } catch {
            return error.problems
        }
    }

    @Test func oneRunTellsEveryMistake() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "iocp-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = #"{"iocp": {"workers": 2.5, "drain": null, "tls": {"ciphers": null}, "mailboxEntries": 17, "mine": {}, "listen": {}}}"#
        try text.write(to: file, atomically: true, encoding: .utf8)
        let found = try await problems(
            ofFile: file.path,
            and: ["--iocp-wokers", "4", "--iocp-drain", "2d", "--iocp-listen-backlog", "0", "--iocp-send-cap", "0"])
        #expect(
            Set(found) == [
                "--iocp-wokers is no setting: did you mean --iocp-workers?",
                "iocp.mine in \(file.path) is no setting",
                "iocp.drain in \(file.path) is null: leave it out, or give it a value",
                "iocp.tls.ciphers in \(file.path) is null: leave it out, or give it a value",
                "iocp.workers is \"2.5\", and may be a number, at most 1,024",
                "iocp.drain is \"2d\", and may be a time: 250ms, 30s, 5m, 1h; 0s to 1d",
                "iocp.listen.backlog is \"0\", and may be a number, 1 to 65536; or default",
                "iocp.mailboxEntries is \"17\", and may be a number, a power of two, 16 to 1,048,576",
                "iocp.sendCap is \"0\", and may be bytes: 65536, 64KiB, 1MiB; 1 to 2,147,483,647",
            ])
    }

    @Test func everyProblemIsToldAtOnceAndSecretsAreNot() throws {
        let environment = [
            "IOCP_WORKERS": "many", "IOCP_IDLE_TIMEOUT": "30", "IOCP_LISTEN_KEEP_ALIVE_COUNT": "3",
            "IOCP_TLS_PASSPHRASE": "hunter2",
        ]
        let reader = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
        do {
            _ = try ServiceSettings(reader)
            Issue.record("it was taken")
        } catch {
            #expect(error.problems.count == 4, "\(error)")
            #expect(error.problems.contains("iocp.workers is \"many\", and may be a number, at most 1,024"))
            #expect(
                error.problems.contains(
                    "iocp.idleTimeout is \"30\", and may be a time: 250ms, 30s, 5m, 1h; at most one day; or never"))
            #expect(
                error.problems.contains(
                    "iocp.listen.keepAlive.count is set, and means nothing without iocp.listen.keepAlive.idle"))
            #expect(!error.description.contains("hunter2"))
        }
    }

    @Test func addresses() {
        for text in ["0.0.0.0:0", "[::]:4666", "localhost:65535", "unix:/run/a.sock", "unix:@a"] {
            #expect(ListenAddress(text)?.description == text)
        }
        for text in ["", ":", ":80", "4666", "::1:80", "host:65536", "host:-1", "unix:", "unix:@", "[::1]", "host:x"] {
            #expect(ListenAddress(text) == nil, "\(text)")
        }
    }

    @Test func thePageListsEverySetting() throws {
        let page = try String(contentsOf: documents.appending(path: "SERVICE.md"), encoding: .utf8)
        let rows = Setting.all.map { setting in
            "| `\(setting.key)` | \(setting.summary) | \(setting.bounds) | \(setting.initial) |"
        }
        let table = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
        #expect(table == rows, "docs/SERVICE.md should have\n\(rows.joined(separator: "\n"))")
    }
}

/// docs/
let documents = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "docs")

extension SettingForm {
    var isTime: Bool { if case .duration = self { true } else { false } }
    /// Whether any text is one.
    var takesAnything: Bool {
        switch self {
        case .text, .list: true
        default: false
        }
    }
}

extension Setting {
    /// A value that is not the one at first.
    var sample: String {
        switch form {
        case .cpus: "0"
        case .number: key == "sendChunksPerWorker" || key.hasPrefix("listen.") ? "5" : "64"
        case .size:
            switch key {
            case "sendLowWatermark": "4KiB"
            case "sendHighWatermark": "2MiB"
            case "unsentBytesPerWorker": "2GiB"
            case "sendCap": "32MiB"
            default: "8KiB"
            }
        case .duration: key == "spinBeforeSleep" || key == "busyPoll" ? "5ms" : "7s"
        case .flag: initial == "true" ? "false" : "true"
        case .words(let words): words.first { $0 != initial }!
        case .text: "text"
        case .list: "a.pem,b.pem"
        case .address: "127.0.0.1:80"
        case .unixSocket: "unix:@admin"
        case .permissions: "640"
        }
    }
}
#endif
