import Foundation

/// Looks whether the links of the project's documents lead somewhere. There is no network: of an address elsewhere only the shape
/// is looked at.
struct LinkCheck {
    private static let repository = "https://github.com/swift-iocp/swift-iocp"
    /// What a run of the bench leaves behind.
    private static let skipped = ["results"]

    let root: URL
    private var files: [String: MarkdownFile] = [:]

    /// Reads every document of a folder, but for those of hidden folders.
    init(root: URL) throws {
        self.root = root.standardizedFileURL
        let found = FileManager.default.enumerator(atPath: self.root.path)
        while let path = found?.nextObject() as? String {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix(".") || LinkCheck.skipped.contains(String(name)) {
                found?.skipDescendants()
            } else if path.hasSuffix(".md") {
                files[path] = MarkdownFile(try String(contentsOf: self.root.appending(path: path), encoding: .utf8))
            }
        }
    }

    var documentCount: Int { files.count }
    var linkCount: Int { files.values.reduce(0) { $0 + $1.links.count + $1.namedDocuments.count } }

    /// One line for each link that leads nowhere: file, line, what is wrong.
    var problems: [String] {
        files.keys.sorted().flatMap { path in
            let file = files[path]!
            let links = file.links.compactMap { link in problem(link, in: path).map { (link, $0) } }
            let named = file.namedDocuments.compactMap { link -> (MarkdownFile.Link, String)? in
                exists(link.target) ? nil : (link, "there is no such document")
            }
            return (links + named).sorted { $0.0.line < $1.0.line }.map { "\(path):\($0.line): \($0.target): \($1)" }
        }
    }

    private func problem(_ link: MarkdownFile.Link, in path: String) -> String? {
        let target = link.target
        if target.isEmpty { return "the link is empty" }
        if target.hasPrefix("doc:") { return problemOfArticle(String(target.dropFirst(4)), in: path) }
        if target.contains("://") {
            for place in ["/blob/main/", "/tree/main/"] where target.hasPrefix(LinkCheck.repository + place) {
                return problemOfPath(String(target.dropFirst((LinkCheck.repository + place).count)), from: "")
            }
            return problemOfAddress(target)
        }
        if target.wholeMatch(of: /[a-z][a-z0-9+.-]*:.*/) != nil { return "only https links are expected" }
        if link.isImage, let resources = LinkCheck.resources(of: path) {
            return problemOfImage(target, in: resources)
        }
        return problemOfPath(target, from: path)
    }

    private func problemOfPath(_ target: String, from path: String) -> String? {
        let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let place = parts[0].isEmpty ? path : relative(parts[0].removingPercentEncoding ?? parts[0], to: path)
        guard exists(place) else { return "there is no such file" }
        guard parts.count == 2, let anchor = parts[1].removingPercentEncoding else { return nil }
        guard let file = files[place] else { return "only a document has headings" }
        return file.anchors.contains(anchor) ? nil : "there is no heading of this name"
    }

    private func problemOfAddress(_ target: String) -> String? {
        guard let address = URLComponents(string: target), let host = address.host else { return "no address" }
        guard address.scheme == "https" else { return "only https links are expected" }
        guard host.wholeMatch(of: /[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}/) != nil else { return "no name of a host" }
        return address.user == nil && address.port == nil ? nil : "an address with a user or a port"
    }

    // MARK: A documentation catalogue

    /// Links to symbols and headings are checked by `docc convert`; that an article is there costs nothing to see here.
    private func problemOfArticle(_ target: String, in path: String) -> String? {
        guard let catalogue = LinkCheck.catalogue(of: path) else { return "doc: links are for the catalogue alone" }
        let name = target.split(separator: "#")[0]
        guard !name.contains("/") else { return nil }
        return files.keys.contains { $0.hasPrefix(catalogue) && $0.hasSuffix("/\(name).md") } ? nil : "no such article"
    }

    private func problemOfImage(_ name: String, in resources: String) -> String? {
        for variant in [name, name + "~dark"] where !exists(resources + variant + ".svg") {
            return "there is no \(variant).svg in \(resources)"
        }
        return nil
    }

    private static func catalogue(of path: String) -> String? {
        path.firstRange(of: ".docc/").map { String(path[..<$0.upperBound]) }
    }

    private static func resources(of path: String) -> String? { catalogue(of: path).map { $0 + "Resources/" } }

    // MARK: Paths

    private func relative(_ target: String, to path: String) -> String {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    private func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }
}
