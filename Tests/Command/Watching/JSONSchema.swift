import Foundation

/// A schema of docs/schemas, as far as those use the language. A word that is not known here is an error, so that no rule of
/// a schema is silently without effect.
struct JSONSchema {
    private let root: [String: Any]

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(_ name: String) throws {
        let package = (0..<4).reduce(URL(filePath: #filePath)) { folder, _ in folder.deletingLastPathComponent() }
        let object = try JSONSerialization.jsonObject(
            with: Data(contentsOf: package.appending(path: "docs/schemas/\(name).schema.json")))
        guard let root = object as? [String: Any] else { throw Failure(description: "\(name) is no object") }
        self.root = root
    }

    /// What is wrong in a text; empty if it keeps to the schema.
    func faults(in text: String) throws -> [String] {
        let value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        return try faults(of: value, root, at: "$")
    }

    private func faults(of value: Any, _ schema: [String: Any], at path: String) throws -> [String] {
        var faults: [String] = []
        for (word, rule) in schema {
            switch (word, rule) {
            case ("$schema", _), ("title", _), ("description", _), ("$defs", _): break
            case ("$ref", let reference as String):
                faults += try self.faults(of: value, try definition(reference), at: path)
            case ("oneOf", let choices as [[String: Any]]):
                let results = try choices.map { try self.faults(of: value, $0, at: path) }
                if results.count(where: \.isEmpty) != 1 { faults.append("\(path): not one of: \(results)") }
            case ("type", _):
                let names = rule as? [String] ?? [rule as? String ?? ""]
                if !names.contains(where: { has(value, type: $0) }) { faults.append("\(path): no \(names)") }
            case ("enum", let values as [String]):
                if !values.contains(value as? String ?? "") { faults.append("\(path): none of \(values)") }
            case ("minimum", let least as NSNumber):
                if let number = value as? NSNumber, number.doubleValue < least.doubleValue {
                    faults.append("\(path): below \(least)")
                }
            case ("pattern", let pattern as String):
                if let text = value as? String, try text.firstMatch(of: Regex(pattern)) == nil {
                    faults.append("\(path): does not match \(pattern)")
                }
            case ("minItems", let least as Int):
                if let items = value as? [Any], items.count < least { faults.append("\(path): too few items") }
            case ("maxItems", let most as Int):
                if let items = value as? [Any], items.count > most { faults.append("\(path): too many items") }
            case ("items", let item as [String: Any]):
                for (index, element) in (value as? [Any] ?? []).enumerated() {
                    faults += try self.faults(of: element, item, at: "\(path)[\(index)]")
                }
            case ("required", let names as [String]):
                guard let object = value as? [String: Any] else { break }
                faults += names.filter { object[$0] == nil }.map { "\(path): no \($0)" }
            case ("properties", _), ("patternProperties", _), ("additionalProperties", _): break
            default: throw Failure(description: "\(path): the test does not know \(word): \(rule)")
            }
        }
        return faults + (try memberFaults(of: value, schema, at: path))
    }

    private func memberFaults(of value: Any, _ schema: [String: Any], at path: String) throws -> [String] {
        guard let object = value as? [String: Any] else { return [] }
        let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
        let patterns = schema["patternProperties"] as? [String: [String: Any]] ?? [:]
        var faults: [String] = []
        for (name, member) in object {
            var rules = properties[name].map { [$0] } ?? []
            rules += try patterns.filter { try name.firstMatch(of: Regex($0.key)) != nil }.map(\.value)
            if rules.isEmpty, schema["additionalProperties"] as? Bool == false { faults.append("\(path): has \(name)") }
            for rule in rules { faults += try self.faults(of: member, rule, at: "\(path).\(name)") }
        }
        return faults
    }

    private func definition(_ reference: String) throws -> [String: Any] {
        let definitions = root["$defs"] as? [String: [String: Any]] ?? [:]
        guard reference.hasPrefix("#/$defs/"), let found = definitions[String(reference.dropFirst(8))] else {
            throw Failure(description: "no definition \(reference)")
        }
        return found
    }

    private func has(_ value: Any, type: String) -> Bool {
        switch type {
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "null": value is NSNull
        case "string": value is String
        case "boolean": isBoolean(value)
        case "number": value is NSNumber && !isBoolean(value)
        case "integer":
            (value as? NSNumber).map { !isBoolean($0) && $0.doubleValue == $0.doubleValue.rounded() } ?? false
        default: false
        }
    }

    /// An NSNumber of JSON tells true from 1 by the type that it was made of: a character's.
    private func isBoolean(_ value: Any) -> Bool {
        (value as? NSNumber).map { unsafe String(cString: $0.objCType) == "c" } ?? false
    }
}
