import Glibc
import Testing

/// Lends the path of a folder with files, by their paths in it; it is gone afterwards.
func withRoot<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    var template = Array("/tmp/iocp-root-XXXXXX".utf8CString)
    let root = try #require(mkdtemp(&template).map { String(cString: $0) })
    var made = [root]
    defer { for path in made.reversed() { remove(path) } }
    for (path, text) in files {
        let parts = path.split(separator: "/")
        for count in 1..<parts.count {
            let folder = root + "/" + parts.prefix(count).joined(separator: "/")
            if mkdir(folder, 0o700) == 0 { made.append(folder) }
        }
        made.append(root + "/" + path)
        let file = try #require(fopen(root + "/" + path, "w"))
        fputs(text, file)
        fclose(file)
    }
    return try body(root)
}
