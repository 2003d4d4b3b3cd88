import Glibc

/// The files of this package, read without Foundation.
enum SourceTree {
    struct Missing: Error { let path: String }

    static let root: String = {
        // Tests/Core/Layering/SourceTree.swift
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
    }()

    static func file(_ path: String) throws -> [UInt8] {
        guard let file = fopen(root + "/" + path, "r") else { throw Missing(path: path) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&block, 1, block.count, file)
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    static func lines(_ path: String) throws -> [Substring] {
        String(decoding: try file(path), as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// Every file below `folder` whose name ends so, by its path from there, in order.
    static func files(below folder: String, ending: String...) throws -> [String] {
        guard let directory = opendir(root + "/" + folder) else { throw Missing(path: folder) }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(".") { continue }
            if Int32(entry.pointee.d_type) == Int32(DT_DIR) {
                found += try subfolder(folder, name, ending)
            } else if ending.contains(where: name.hasSuffix) {
                found.append(name)
            }
        }
        return found.sorted()
    }

    private static func subfolder(_ folder: String, _ name: String, _ endings: [String]) throws -> [String] {
        var found: [String] = []
        for ending in endings { found += try files(below: folder + "/" + name, ending: ending).map { name + "/" + $0 } }
        return found
    }
}
