#if Service
import IOCP

/// One row of the table of settings: its name, what it may be, what it means, and where it goes. Reading, help and
/// `docs/SERVICE.md` come from the table.
struct Setting: Sendable {
    typealias Place<Value> = any (WritableKeyPath<ServiceSettings, Value> & Sendable)

    /// Words from the outside in, separated by dots: "listen.keepAlive.idle".
    let key: String
    let form: SettingForm
    let summary: String
    /// Nobody is shown its value.
    var isSecret = false
    /// The setting without which it means nothing.
    var needs: String?
    /// "never", "none", ...: what stands for nil; nil where there has to be a value.
    var absence: String?
    let take: @Sendable (inout ServiceSettings, [String]) throws(NoSuchValue) -> Void
    let text: @Sendable (ServiceSettings) -> String
    /// Sets what no setting can be, so that the refusal tells the bounds.
    var exceed: (@Sendable (inout ServiceSettings, _ upward: Bool) -> Void)?

    static func number(_ key: String, _ place: Place<Int>, _ summary: String) -> Setting {
        value(key, .number, place, beyond: Beyond(.max, 0), summary)
    }

    static func number(_ key: String, _ place: Place<Int?>, none absence: String, _ summary: String) -> Setting {
        optional(key, .number, place, absence, beyond: Beyond(.max, 0), summary)
    }

    static func size(_ key: String, _ place: Place<Int>, _ summary: String) -> Setting {
        value(key, .size, place, as: .size, beyond: Beyond(.max, 0), summary)
    }

    static func size(_ key: String, _ place: Place<Int?>, none absence: String, _ summary: String) -> Setting {
        optional(key, .size, place, absence, as: .size, beyond: Beyond(.max, 0), summary)
    }

    static func time(_ key: String, _ place: Place<Duration>, _ summary: String) -> Setting {
        value(key, .duration, place, beyond: .anyTime, summary)
    }

    static func time(_ key: String, _ place: Place<Duration?>, none absence: String, _ summary: String) -> Setting {
        optional(key, .duration, place, absence, beyond: .anyTime, summary)
    }

    static func flag(_ key: String, _ place: Place<Bool>, _ summary: String) -> Setting {
        value(key, .flag, place, summary)
    }

    static func text(_ key: String, _ place: Place<String?>, none absence: String, _ summary: String) -> Setting {
        optional(key, .text, place, absence, summary)
    }

    static func list(_ key: String, _ place: Place<[String]>, _ summary: String) -> Setting {
        Setting(
            key: key, form: .list, summary: summary, absence: "none",
            take: { (settings, texts) throws(NoSuchValue) in settings[keyPath: place] = texts == ["none"] ? [] : texts
            },
            text: { $0[keyPath: place].isEmpty ? "none" : $0[keyPath: place].joined(separator: ",") })
    }

    /// One of some words, each of which stands for a value.
    static func word<Value: Equatable & Sendable>(
        _ key: String, _ place: Place<Value>, _ words: [(String, Value)], _ summary: String
    ) -> Setting {
        Setting(
            key: key, form: .words(words.map(\.0)), summary: summary,
            take: { (settings, texts) throws(NoSuchValue) in
                let text = try single(texts)
                guard let value = words.first(where: { $0.0 == text })?.1 else { throw NoSuchValue() }
                settings[keyPath: place] = value
            }, text: { settings in words.first { $0.1 == settings[keyPath: place] }?.0 ?? "" })
    }

    static func value<Value: SettingValue & SendableMetatype>(
        _ key: String, _ form: SettingForm, _ place: Place<Value>, as notation: Notation<Value> = .plain,
        beyond: Beyond<Value>? = nil, _ summary: String
    ) -> Setting {
        Setting(
            key: key, form: form, summary: summary,
            take: { (settings, texts) throws(NoSuchValue) in
                settings[keyPath: place] = try notation.read(try single(texts))
            }, text: { notation.write($0[keyPath: place]) },
            exceed: beyond.map { $0.setting(place) })
    }

    static func optional<Value: SettingValue & SendableMetatype>(
        _ key: String, _ form: SettingForm, _ place: Place<Value?>, _ absence: String,
        as notation: Notation<Value> = .plain, beyond: Beyond<Value>? = nil, _ summary: String
    ) -> Setting {
        Setting(
            key: key, form: form, summary: summary, absence: absence,
            take: { (settings, texts) throws(NoSuchValue) in
                let text = try single(texts)
                settings[keyPath: place] = text == absence ? nil : try notation.read(text)
            }, text: { $0[keyPath: place].map(notation.write) ?? absence },
            exceed: beyond.map { $0.setting(place) })
    }

    static func single(_ texts: [String]) throws(NoSuchValue) -> String {
        guard texts.count == 1 else { throw NoSuchValue() }
        return texts[0]
    }
}

/// Two values that no setting can be.
struct Beyond<Value: Sendable>: Sendable {
    let above, below: Value

    init(_ above: Value, _ below: Value) { (self.above, self.below) = (above, below) }

    func setting(_ place: Setting.Place<Value>) -> @Sendable (inout ServiceSettings, _ upward: Bool) -> Void {
        { settings, upward in settings[keyPath: place] = upward ? above : below }
    }

    func setting(_ place: Setting.Place<Value?>) -> @Sendable (inout ServiceSettings, _ upward: Bool) -> Void {
        { settings, upward in settings[keyPath: place] = upward ? above : below }
    }
}

extension Beyond<Duration> {
    static let anyTime = Beyond(.seconds(86_400 * 365), .seconds(-1))
}

extension Setting {
    func needing(_ key: String) -> Setting {
        var setting = self
        setting.needs = key
        return setting
    }

    /// What it may be, in words.
    var bounds: String {
        var words = form.description
        if let told = refusal(upward: true) ?? refusal(upward: false) {
            if case .number = form { words += ", \(told)" } else { words += "; \(told)" }
        }
        return absence.map { "\(words); or \($0)" } ?? words
    }

    /// The bounds as the check tells them for a value that is out of them: behind "may be", or in parentheses.
    private func refusal(upward: Bool) -> String? {
        guard let exceed else { return nil }
        var settings = ServiceSettings()
        exceed(&settings, upward)
        do throws(IOCPError) {
            try settings.validate()
            return nil
        } catch {
            let detail = error.detail ?? ""
            if let words = detail.firstRange(of: "may be ") { return String(detail[words.upperBound...]) }
            guard let open = detail.firstIndex(of: "("), let close = detail.lastIndex(of: ")") else { return nil }
            return String(detail[detail.index(after: open)..<close])
        }
    }

    /// Its value at first.
    var initial: String { text(ServiceSettings()) }

    /// As an argument: "--iocp-listen-keep-alive-idle".
    func argument(scope: String) -> String {
        "--" + words(scope).joined(separator: "-")
    }

    /// As an environment variable: "IOCP_LISTEN_KEEP_ALIVE_IDLE".
    func variable(scope: String) -> String {
        words(scope).map { $0.uppercased() }.joined(separator: "_")
    }

    private func words(_ scope: String) -> [String] {
        var words = [scope]
        for part in key.split(separator: ".") {
            words.append("")
            for character in part {
                if character.isUppercase, words.last?.last?.isLowercase == true { words.append("") }
                words[words.count - 1] += character.lowercased()
            }
        }
        return words
    }
}
#endif
