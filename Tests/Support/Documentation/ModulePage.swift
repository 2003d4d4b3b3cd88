import Foundation

/// A module's first page, as `docc convert` made it.
struct ModulePage: Decodable {
    let topicSections: [Section]

    struct Section: Decodable {
        let title: String
        let identifiers: [String]
        /// docc put these there itself, because the page names them in no group.
        let generated: Bool?
    }

    init(of module: String, archive: URL) throws {
        let page = archive.appending(path: "data/documentation/\(module.lowercased()).json")
        self = try JSONDecoder().decode(ModulePage.self, from: Data(contentsOf: page))
    }

    /// One line for each symbol that stands in no group of the page's own.
    var withoutPlace: [String] {
        topicSections.filter { $0.generated == true }.flatMap(\.identifiers).sorted().map {
            "\($0) is in no topic group"
        }
    }
}
