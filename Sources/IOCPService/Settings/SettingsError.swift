#if Service
/// What is wrong with settings: all of it, one line each.
public struct SettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Each names the setting, what it is, and what it may be.
    public let problems: [String]

    init(_ problems: [String]) { self.problems = problems }

    public var description: String { problems.joined(separator: "\n") }
}
#endif
