#if Service
#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The names in a JSON file. A `ConfigReader` says nothing about keys that it was not asked for, so unknown names are found here. It
/// also takes null for absent, and true for 1.
struct SettingsFile {
    /// The paths of its values: "iocp.listen.addresses".
    let names: [String]
    /// Those of them that are null.
    let nulls: [String]
    /// Those of them that are true or false.
    let flags: [String]
    /// Those of them that are objects without anything in them.
    let empty: [String]

    init(_ path: String) throws {
        let object = try JSONDecoder().decode(Level.self, from: try Data(contentsOf: URL(filePath: path)))
        (names, nulls, flags, empty) = (object.names, object.nulls, object.flags, object.empty)
    }

    /// Why a file cannot be read, in words.
    static func words(for error: any Error) -> String {
        switch error {
        case DecodingError.dataCorrupted(let context):
            let place = (context.underlyingError as? CocoaError)?.userInfo["NSDebugDescription"]
            return "it is no JSON object" + (place.map { ": \($0)" } ?? "")
        case DecodingError.typeMismatch: return "it is no JSON object"
        case let error as CocoaError:
            guard let cause = error.underlying as? POSIXError else { return "\(error)" }
            return unsafe String(cString: unsafe strerror(cause.code.rawValue))
        default: return "\(error)"
        }
    }
}

/// An object in a file, and what is in it.
private struct Level: Decodable {
    private(set) var names: [String] = []
    private(set) var nulls: [String] = []
    private(set) var flags: [String] = []
    private(set) var empty: [String] = []

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Key.self)
        for key in object.allKeys {
            let name = key.stringValue
            let below = try? object.decode(Level.self, forKey: key)
            guard let below, !below.names.isEmpty else {
                names.append(name)
                if below != nil { empty.append(name) }
                if try object.decodeNil(forKey: key) { nulls.append(name) }
                if (try? object.decode(Bool.self, forKey: key)) != nil { flags.append(name) }
                continue
            }
            empty += below.empty.map { "\(name).\($0)" }
            flags += below.flags.map { "\(name).\($0)" }
            names += below.names.map { "\(name).\($0)" }
            nulls += below.nulls.map { "\(name).\($0)" }
        }
    }
}
#endif
