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

/// What a JSON file has. A `ConfigReader` says nothing about keys that it was not asked for, so unknown names are found here. It also
/// takes null for absent, and true for 1.
struct SettingsFile {
    enum Kind {
        case value, null, flag
        /// An object without anything in it.
        case empty
    }

    /// Its values, by their paths: "iocp.listen.addresses".
    let entries: [(name: String, kind: Kind)]

    init(_ path: String) throws {
        entries = try JSONDecoder().decode(Level.self, from: try Data(contentsOf: URL(filePath: path))).entries
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
    private(set) var entries: [(name: String, kind: SettingsFile.Kind)] = []

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
            if let below = try? object.decode(Level.self, forKey: key) {
                entries += below.entries.isEmpty ? [(name, .empty)] : below.entries.map { ("\(name).\($0.name)", $0.kind) }
            } else if try object.decodeNil(forKey: key) {
                entries.append((name, .null))
            } else {
                entries.append((name, (try? object.decode(Bool.self, forKey: key)) == nil ? .value : .flag))
            }
        }
    }
}
#endif
