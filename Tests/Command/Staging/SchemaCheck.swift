import Foundation

/// A JSON value with its types kept apart: JSONSerialization takes true for 1.
enum JSONValue: Decodable, Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case text(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    static func parse(_ text: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var array: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
    var members: [String: JSONValue] { if case .object(let members) = self { members } else { [:] } }
}

/// Checks values against a JSON Schema, as far as the schemas of this project go. A keyword that is not known here is a
/// violation as well, so that no part of a schema goes unchecked.
struct SchemaCheck {
    private let schema: JSONValue

    /// - Parameter path: from the root of the package.
    init(_ path: String) throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        schema = try JSONValue.parse(try String(contentsOfFile: root + "/" + path, encoding: .utf8))
    }

    init(text: String) throws { schema = try JSONValue.parse(text) }

    /// What a value breaks, with its place; empty for one that fits.
    func violations(_ value: JSONValue) -> [String] { violations(value, schema, at: "$") }

    /// The same of a text.
    func violations(in text: String) throws -> [String] { violations(try JSONValue.parse(text)) }

    private static let remarks: Set = ["$schema", "$id", "$defs", "title", "description"]

    private func violations(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
        guard case .object(let rules) = schema else { return ["\(place): the schema is no object"] }
        return rules.sorted { $0.key < $1.key }.flatMap { keyword, rule in
            SchemaCheck.remarks.contains(keyword) ? [] : broken(keyword, rule, rules, value).map { "\(place)\($0)" }
        }
    }

    private func broken(
        _ keyword: String, _ rule: JSONValue, _ rules: [String: JSONValue], _ value: JSONValue
    ) -> [String] {
        let bound = SchemaCheck.bound
        switch keyword {
        case "$ref":
            guard let name = rule.text, name.hasPrefix("#/$defs/"), let found = schema["$defs"]?[String(name.dropFirst(8))]
            else { return [": there is no definition \(rule)"] }
            return violations(value, found, at: "")
        case "oneOf":
            let fitting = (rule.array ?? []).filter { violations(value, $0, at: "").isEmpty }
            return fitting.count == 1 ? [] : [" fits \(fitting.count) of oneOf"]
        case "type":
            let names = rule.array?.compactMap(\.text) ?? [rule.text ?? ""]
            return names.contains { SchemaCheck.isOf($0, value) } ? [] : [" is not of type \(names.joined(separator: " or "))"]
        case "enum": return rule.array?.contains(value) == true ? [] : [" is none of the enum"]
        case "const": return rule == value ? [] : [" is not the constant"]
        case "minimum": return bound(value.number, rule.number) { $0 >= $1 } ? [] : [" is too small"]
        case "maximum": return bound(value.number, rule.number) { $0 <= $1 } ? [] : [" is too large"]
        case "minLength":
            return bound(value.text.map { Double($0.unicodeScalars.count) }, rule.number) { $0 >= $1 }
                ? [] : [" is too short"]
        case "pattern":
            guard let text = value.text else { return [] }
            return rule.text.map { SchemaCheck.has(text, $0) } == true ? [] : [" does not match the pattern"]
        case "minItems":
            return bound(value.array.map { Double($0.count) }, rule.number) { $0 >= $1 } ? [] : [" has too few items"]
        case "maxItems":
            return bound(value.array.map { Double($0.count) }, rule.number) { $0 <= $1 } ? [] : [" has too many items"]
        case "items":
            return (value.array ?? []).enumerated().flatMap { violations($1, rule, at: "[\($0)]") }
        case "required":
            guard case .object(let members) = value else { return [] }
            return (rule.array ?? []).compactMap(\.text).filter { members[$0] == nil }.map { " lacks \($0)" }
        case "properties":
            guard case .object(let members) = value, case .object(let known) = rule else { return [] }
            return known.sorted { $0.key < $1.key }.flatMap { name, schema in
                members[name].map { violations($0, schema, at: ".\(name)") } ?? []
            }
        case "patternProperties":
            guard case .object(let members) = value, case .object(let patterns) = rule else { return [] }
            return members.sorted { $0.key < $1.key }.flatMap { name, member in
                patterns.filter { SchemaCheck.has(name, $0.key) }.flatMap { violations(member, $0.value, at: ".\(name)") }
            }
        case "additionalProperties":
            guard case .object(let members) = value else { return [] }
            guard rule == .boolean(false) else { return [": only false is checked as additionalProperties"] }
            let patterns = rules["patternProperties"]?.members.map(\.key) ?? []
            let known = Set(rules["properties"]?.members.map(\.key) ?? [])
            return members.keys.filter { name in !known.contains(name) && !patterns.contains { SchemaCheck.has(name, $0) } }
                .sorted().map { ".\($0) is not in the schema" }
        default: return [": the keyword \(keyword) is not checked"]
        }
    }

    /// A pattern that is none matches nothing.
    private static func has(_ text: String, _ pattern: String) -> Bool {
        (try? Regex(pattern)).flatMap { try? $0.firstMatch(in: text) } != nil
    }

    private static func isOf(_ type: String, _ value: JSONValue) -> Bool {
        switch value {
        case .null: type == "null"
        case .boolean: type == "boolean"
        case .number(let number): type == "number" || (type == "integer" && number == number.rounded())
        case .text: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }

    /// Bounds are for values of their own type alone.
    private static func bound(_ value: Double?, _ bound: Double?, _ holds: (Double, Double) -> Bool) -> Bool {
        guard let value else { return true }
        return bound.map { holds(value, $0) } ?? false
    }
}
