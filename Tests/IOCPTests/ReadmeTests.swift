import Foundation
import Testing

/// The README's server is the program that this package builds as ReadmeServer, line for line.
@Test func readmeServerIsTheOneThatIsBuilt() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    let built = try String(contentsOf: root.appending(path: "Tests/ReadmeServer/main.swift"), encoding: .utf8)
    let start = try #require(readme.range(of: "```swift\n"))
    let end = try #require(readme.range(of: "```", range: start.upperBound..<readme.endIndex))
    #expect(String(readme[start.upperBound..<end.lowerBound]) == built)
    #expect(built.split(separator: "\n", omittingEmptySubsequences: false).count - 1 <= 15)
}
