import Foundation

/// What `iocp --experimental-dump-help` says of the command: the same definitions that `--help` is printed from.
struct CommandDescription: Decodable, Equatable {
    struct Dump: Decodable { let command: CommandDescription }

    let commandName: String
    let abstract: String?
    let discussion: String?
    let arguments: [Argument]?
    let subcommands: [CommandDescription]?
    let shouldDisplay: Bool?

    struct Argument: Decodable, Equatable {
        let kind: String
        let abstract: String?
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let isOptional: Bool?
        let isRepeating: Bool?
        let shouldDisplay: Bool?

        struct Name: Decodable, Equatable {
            let kind: String
            let name: String
        }
    }

    init(json: Data) throws { self = try JSONDecoder().decode(Dump.self, from: json).command }

    /// Those with a page of their own. `help` only repeats what the pages say.
    var documentedSubcommands: [CommandDescription] {
        (subcommands ?? []).filter { $0.shouldDisplay != false && $0.commandName != "help" }
    }

    /// An option, a flag or a value, with every name that it has.
    struct Entry {
        let names: [String]
        let value: String?
        let words: String
        let isOptional: Bool
    }

    /// In the order of `--help`. The two names of a flag that can be inverted are one entry.
    var entries: [Entry] {
        var entries: [Entry] = []
        for argument in arguments ?? [] where argument.shouldDisplay != false {
            let names = (argument.names ?? []).map(\.spelled)
            let value = argument.kind == "flag" ? nil : "\(argument.valueName ?? "value")"
            if let last = entries.last, last.words == argument.words, let name = names.first,
                let other = last.names.last, name == "--no-" + other.dropFirst(2)
            {
                entries[entries.count - 1] = Entry(
                    names: last.names + names, value: nil, words: last.words, isOptional: true)
                continue
            }
            entries.append(
                Entry(names: names, value: value, words: argument.words, isOptional: argument.isOptional ?? true))
        }
        return entries
    }
}

extension CommandDescription.Argument {
    /// The sentence of `--help`, with the values and the default that it prints behind it.
    fileprivate var words: String {
        let values = allValues.map { "values: " + $0.joined(separator: ", ") }
        let preset = defaultValue.map { "default: " + $0 }
        let notes = [values, preset].compactMap(\.self).joined(separator: "; ")
        return [abstract ?? "", notes.isEmpty ? "" : "(\(notes))"].filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension CommandDescription.Argument.Name {
    fileprivate var spelled: String { (kind == "long" ? "--" : "-") + name }
}
