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

/// The names in a JSON file, so that those that no setting has are told: a reader cannot tell what it was not asked for.
struct SettingsFile {
    /// The paths of its values: "iocp.listen.addresses".
    let names: [String]
    /// Those of them that are null, which a reader takes for absent.
    let nulls: [String]

    init(_ path: String) throws {
        let object = try JSONDecoder().decode(Level.self, from: try Data(contentsOf: URL(filePath: path)))
        (names, nulls) = (object.names, object.nulls)
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
            guard let below = try? object.decode(Level.self, forKey: key) else {
                names.append(name)
                if try object.decodeNil(forKey: key) { nulls.append(name) }
                continue
            }
            names += below.names.map { "\(name).\($0)" }
            nulls += below.nulls.map { "\(name).\($0)" }
        }
    }
}
#endif
