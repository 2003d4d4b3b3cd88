#if Service
public import Configuration
import IOCP

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The sources that a service is set by: its arguments, then the environment, then a JSON file that `--iocp-file` or
/// `IOCP_FILE` names. The first that has a setting decides.
///
/// ```swift
/// let sources = try await SettingsSources()
/// let settings = try sources.settings()
/// let greeting = sources.reader.string(forKey: "greeting", default: "hello")  // --greeting, GREETING, {"greeting": ...}
/// ```
/// A name that begins as a setting's does and is none is refused: `--iocp-wokers 4` would otherwise change nothing, silently.
public struct SettingsSources: Sendable {
    /// Reads from all of them, the application's own settings, too.
    public let reader: ConfigReader
    private let scope: String

    /// - Parameters:
    ///   - scope: what all names of settings begin with.
    ///   - arguments: of the program, with its name first.
    /// - Throws: a file that cannot be read, or names that are no setting's.
    public init(
        scope: String = "iocp", arguments: [String] = CommandLine.arguments,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws(SettingsError) {
        self.scope = scope
        let secrets = Setting.all.filter(\.isSecret)
        let given = CommandLineArgumentsProvider(
            arguments: arguments, secretsSpecifier: .specific(Set(secrets.map { $0.argument(scope: scope) })))
        let around = EnvironmentVariablesProvider(
            environmentVariables: environment,
            secretsSpecifier: .specific(Set(secrets.map { $0.variable(scope: scope) })))
        var providers: [any ConfigProvider] = [given, around]
        let (mistaken, told) = Self.mistakes(in: Array(arguments.dropFirst()), scope)
        var problems =
            mistaken
            + Self.unknown(
                environment.keys.filter { $0.hasPrefix("\(scope.uppercased())_") },
                among: Setting.all.map { $0.variable(scope: scope) } + ["\(scope.uppercased())_FILE"])
        var isWhole = true
        if let path = ConfigReader(providers: providers).string(forKey: ConfigKey([scope, "file"])) {
            do {
                let file = try SettingsFile(path)
                problems += Self.mistakes(in: file, path, scope)
                providers.append(try await FileProvider<JSONSnapshot>(filePath: .init(path)))
            } catch {
                isWhole = false
                problems.append("\(path) cannot be read as settings: \(SettingsFile.words(for: error))")
            }
        }
        reader = ConfigReader(providers: providers)
        guard problems.isEmpty else {
            // So that one run tells them all.
            if isWhole {
                do throws(SettingsError) { _ = try settings() } catch {
                    problems += error.problems.filter { problem in !told.contains { problem.hasPrefix("\(scope).\($0) ") } }
                }
            }
            throw SettingsError(problems)
        }
    }

    /// - Throws: as ``ServiceSettings/init(_:scope:)``.
    public func settings() throws(SettingsError) -> ServiceSettings {
        try ServiceSettings(reader, scope: scope)
    }

    /// Every setting with its names, what it may be, and what it means: for `--help`.
    public static func help(scope: String = "iocp") -> String {
        let file = """
              --\(scope)-file, \(scope.uppercased())_FILE
                  A JSON file with settings: {"\(scope)": {"workers": 4, "listen": {"addresses": ["0.0.0.0:4666"]}}}
            """
        let settings = Setting.all.map { setting in
            """
              \(setting.argument(scope: scope)), \(setting.variable(scope: scope))
                  \(setting.summary)
                  \(setting.bounds) (\(setting.initial))
            """
        }
        return ([file] + settings).joined(separator: "\n")
    }

    /// Arguments that are meant for a setting and set none: a name that none has (also one with other dashes or letters, which
    /// would be the application's), one without its value, one that is given twice.
    /// - Returns: and the keys of the settings that they are about.
    private static func mistakes(in arguments: [String], _ scope: String) -> (problems: [String], keys: [String]) {
        let takesValue = Dictionary(
            uniqueKeysWithValues: Setting.all.map { ($0.argument(scope: scope), (form: $0.form, key: $0.key)) } + [
                ("--\(scope)-file", (form: .text, key: "file"))
            ])
        var problems: [String] = []
        var keys: [String] = []
        var given: Set<String> = []
        for (place, argument) in arguments.enumerated() where argument.hasPrefix("-") {
            let name = String(argument.prefix { $0 != "=" })
            let plain = name.lowercased().drop { $0 == "-" }.map { $0 == "_" || $0 == "." ? "-" : $0 }
            guard String(plain).hasPrefix(scope.lowercased() + "-") else { continue }
            guard let (form, key) = takesValue[name] else {
                problems += unknown([name], among: Array(takesValue.keys))
                continue
            }
            let isAlone =
                !argument.contains("=") && (place + 1 == arguments.count || arguments[place + 1].hasPrefix("--"))
            if isAlone, form != .flag {
                problems.append("\(name) has no value: \(name) VALUE")
                keys.append(key)
            }
            if !given.insert(name).inserted, form != .list, form != .address {
                problems.append("\(name) is given twice")
                keys.append(key)
            }
        }
        return (problems, keys)
    }

    /// What a file has for settings that a reader would pass over, or take for something else.
    private static func mistakes(in file: SettingsFile, _ path: String, _ scope: String) -> [String] {
        let settings = Dictionary(uniqueKeysWithValues: Setting.all.map { ("\(scope).\($0.key)", $0) })
        return file.entries.sorted { $0.name < $1.name }.flatMap { name, kind -> [String] in
            guard name == scope || name.hasPrefix(scope + ".") else { return [] }
            let isGroup = kind == .empty && settings.keys.contains { $0.hasPrefix(name + ".") }
            guard !isGroup else { return [] }
            guard let setting = settings[name] else { return unknown([name], among: Array(settings.keys), in: " in \(path)") }
            switch kind {
            case .null: return ["\(name) in \(path) is null: leave it out, or give it a value"]
            case .flag where !setting.form.takesFlags:
                return ["\(name) in \(path) is true or false, and may be \(setting.bounds)"]
            case .empty: return ["\(name) in \(path) is an object, and may be \(setting.bounds)"]
            case .value, .flag: return []
            }
        }
    }

    private static func unknown(_ names: [String], among known: [String], in place: String = "") -> [String] {
        Set(names).subtracting(known).sorted().map { name in
            let meant = Suggestion.nearest(to: name, among: known).map { ": did you mean \($0)?" } ?? ""
            return "\(name)\(place) is no setting\(meant)"
        }
    }
}
#endif
