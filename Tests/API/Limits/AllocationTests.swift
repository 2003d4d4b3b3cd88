import ChildProcesses
import Testing

extension RealSockets {
    @Suite struct Allocations {
        @Test("no heap allocation per message: by lease, by copy, in frames, by shared bytes, written, by an async body")
        func steadyState() throws {
            let probe = try ChildProcess("AllocationProbe", [])
            #expect(try probe.end() == 0)
            let lines = probe.lines(of: .output)
            if lines.first?.hasPrefix("skipped") == true {
                try Test.cancel("\(lines[0])")
            }
            #expect(lines.count == 6)
            for line in lines { #expect(line == "allocations 0 messages 20000") }
        }
    }
}
