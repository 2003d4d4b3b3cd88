#if Service
public import Configuration
import IOCP

extension ServiceSettings {
    /// Reads every setting that is there; the others stay as ``init()`` has them.
    ///
    /// ```swift
    /// let reader = ConfigReader(provider: EnvironmentVariablesProvider())
    /// let settings = try ServiceSettings(reader)  // IOCP_WORKERS, IOCP_LISTEN_ADDRESSES, ...
    /// ```
    /// A name that is no setting's is not noticed here, since a reader cannot tell what it was not asked for; ``SettingsSources``
    /// does notice.
    /// - Parameter scope: what all names begin with.
    /// - Throws: every value that is none or out of bounds.
    public init(_ reader: ConfigReader, scope: String = "iocp") throws(SettingsError) {
        self.init()
        let reader = reader.scoped(to: ConfigKey([scope]))
        var problems: [String] = []
        var given: Set<String> = []
        for setting in Setting.all {
            guard let texts = reader.texts(of: setting) else { continue }
            given.insert(setting.key)
            if let needed = setting.needs, !given.contains(needed) {
                problems.append("\(scope).\(setting.key) is set, and means nothing without \(scope).\(needed)")
            }
            do throws(NoSuchValue) {
                try setting.take(&self, texts)
            } catch {
                let told = setting.isSecret ? "not a text" : "\"\(texts.joined(separator: ","))\""
                problems.append("\(scope).\(setting.key) is \(told), and may be \(setting.bounds)")
            }
        }
        problems += outOfBounds(given, scope)
        guard problems.isEmpty else { throw SettingsError(problems) }
    }

    /// What is out of its bounds. `validate()` stops at the first mistake. So each mistake is put back to its initial value, and the
    /// check runs again. What such a value then contradicts is no mistake: bounds that name a setting which was told already.
    private func outOfBounds(_ given: Set<String>, _ scope: String) -> [String] {
        var (settings, left, told, problems) = (self, given, [String](), [String]())
        while true {
            do throws(IOCPError) {
                try settings.validate()
                return problems
            } catch {
                let detail = error.detail ?? error.description
                guard let setting = Self.setting(of: detail), left.remove(setting.key) != nil else {
                    return problems.isEmpty ? ["\(scope) settings: \(detail)"] : problems
                }
                if !told.contains(where: setting.bounds.contains) {
                    problems.append(
                        "\(scope).\(setting.key) is \"\(setting.text(self))\", and may be \(setting.bounds)")
                }
                told.append(setting.key)
                do throws(NoSuchValue) { try setting.take(&settings, [setting.initial]) } catch { return problems }
            }
        }
    }

    /// The setting that sets the property which a check names first: "workers (at most 1,024)" of a port, "backlog is 0, and may
    /// be 1 to 65536" of a listener.
    private static func setting(of detail: String) -> Setting? {
        let property = detail.prefix { $0 != " " }
        let key = detail.dropFirst(property.count).hasPrefix(" is ") ? "listen.\(property)" : String(property)
        return Setting.all.first { $0.key == key && !$0.isSecret }
    }

    /// The settings that are not what they are at first, for a log; secrets are left out.
    public var changedValues: [(key: String, value: String)] {
        let initial = ServiceSettings()
        return Setting.all.filter { $0.text(self) != $0.text(initial) }
            .map { ($0.key, $0.isSecret ? "(secret)" : $0.text(self)) }
    }
}

extension ConfigReader {
    /// What a source has for a setting, as it would be written: a file may have it as a number or an array.
    fileprivate func texts(of setting: Setting) -> [String]? {
        let key = ConfigKey(setting.key)
        switch setting.form {
        case .list, .address:
            if let texts = stringArray(forKey: key, isSecret: setting.isSecret) { return texts.flatMap(Self.listed) }
        default: break
        }
        if let text = string(forKey: key, isSecret: setting.isSecret) { return [text] }
        if let number = int(forKey: key, isSecret: setting.isSecret) { return [String(number)] }
        if let number = double(forKey: key, isSecret: setting.isSecret) { return [String(number)] }
        if let flag = bool(forKey: key, isSecret: setting.isSecret) { return [String(flag)] }
        if let texts = stringArray(forKey: key, isSecret: setting.isSecret) { return texts }
        if let numbers = doubleArray(forKey: key, isSecret: setting.isSecret) { return numbers.map { "\($0)" } }
        if let flags = boolArray(forKey: key, isSecret: setting.isSecret) { return flags.map { "\($0)" } }
        return nil
    }

    /// The parts between commas, without the spaces around them.
    private static func listed(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            var part = part
            while part.first?.isWhitespace == true { part.removeFirst() }
            while part.last?.isWhitespace == true { part.removeLast() }
            return String(part)
        }
    }
}
#endif
