import CIOCPInternals
import Testing

/// Which CPUs are threads of one core, read below a root that is made up.
struct CoresTests {
    /// What is left of CPUs 0 to 7, where files tell the siblings of each.
    private func oneOfEach(_ siblings: [Int: String], of cpus: [UInt32] = Array(0..<8)) throws -> [UInt32] {
        let files = siblings.map { ("sys/devices/system/cpu/cpu\($0)/topology/thread_siblings_list", $1) }
        return try withRoot(Dictionary(uniqueKeysWithValues: files)) { root in
            var left = cpus
            let count = iocp_cpus_one_per_core(root, &left, UInt32(left.count))
            return Array(left.prefix(Int(count)))
        }
    }

    @Test func siblingsStandForOneCore() throws {
        let neighbours = [
            0: "0-1\n", 1: "0-1\n", 2: "2-3\n", 3: "2-3\n", 4: "4-5\n", 5: "4-5\n", 6: "6-7\n", 7: "6-7\n",
        ]
        #expect(try oneOfEach(neighbours) == [0, 2, 4, 6])
        let halves = [0: "0,4\n", 1: "1,5\n", 2: "2,6\n", 3: "3,7\n", 4: "0,4\n", 5: "1,5\n", 6: "2,6\n", 7: "3,7\n"]
        #expect(try oneOfEach(halves) == [0, 1, 2, 3])
    }

    /// Of a core whose first thread the process may not have, the second counts.
    @Test func theFirstAllowedThreadStandsForItsCore() throws {
        let neighbours = [0: "0-1\n", 1: "0-1\n", 2: "2-3\n", 3: "2-3\n"]
        #expect(try oneOfEach(neighbours, of: [1, 2, 3]) == [1, 2])
    }

    @Test func whatIsNotToldIsACoreOfItsOwn() throws {
        #expect(try oneOfEach([:]) == Array(0..<8))
        #expect(try oneOfEach([0: "", 1: "no number", 2: "-"], of: [0, 1, 2, 3]) == [0, 1, 2, 3])
        var cpus: [UInt32] = [4, 5]
        #expect(iocp_cpus_one_per_core(String(repeating: "x", count: 5000), &cpus, 2) == 2)
    }
}
