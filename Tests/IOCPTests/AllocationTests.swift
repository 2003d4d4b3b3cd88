import Foundation
import Testing

extension RealSockets {
    @Suite struct Allocations {
        @Test("no heap allocation per message: by lease, by copy, by shared bytes")
        func steadyState() throws {
            let lines = try run("AllocationProbe").split(separator: "\n")
            if lines.first?.hasPrefix("skipped") == true {
                try Test.cancel("\(lines[0])")
            }
            #expect(lines.count == 3)
            for line in lines { #expect(line == "allocations 0 messages 20000") }
        }
    }
}

/// Runs a program built beside the tests and returns its output.
private func run(_ name: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: name)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return String(decoding: data, as: UTF8.self)
}
