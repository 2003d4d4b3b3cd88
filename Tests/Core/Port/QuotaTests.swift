import CIOCPInternals
import Testing

/// The CPU quota of cgroups, read under a root of the test's own.
@Suite struct QuotaTests {
    private func granted(_ files: [String: String]) throws -> UInt32 {
        try withRoot(files) { iocp_cpus_granted($0) }
    }

    @Test(arguments: [
        ("max 100000", 0), ("100000 100000", 1), ("150000 100000", 2), ("200000 100000", 2), ("1000 100000", 1),
        ("", 0), ("nonsense", 0), ("100000", 0), ("-5 100000", 0), ("5 0", 0),
        ("9223372036854775807 1", Int(UInt32.max)),
    ])
    func version2(cpuMax: String, expected: Int) throws {
        let found = try granted(["proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": cpuMax + "\n"])
        #expect(found == UInt32(expected))
    }

    @Test func theLeastAlongThePathCounts() throws {
        let found = try granted([
            "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "800000 100000\n",
            "sys/fs/cgroup/a/cpu.max": "300000 100000\n", "sys/fs/cgroup/cpu.max": "max 100000\n",
            "sys/fs/cgroup/c/cpu.max": "100000 100000\n",
        ])
        #expect(found == 3)
    }

    @Test func aContainerSeesItsOwnGroupAtTheRoot() throws {
        let path = "/docker/0123456789abcdef"
        #expect(try granted(["proc/self/cgroup": "0::\(path)\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"]) == 3)
        #expect(try granted(["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"]) == 3)
    }

    @Test(arguments: ["cpu", "cpu,cpuacct"])
    func version1(mount: String) throws {
        let files = [
            "proc/self/cgroup": "12:cpuset:/x\n4:cpuacct,cpu:/a\n1:name=systemd:/b\n",
            "sys/fs/cgroup/\(mount)/a/cpu.cfs_quota_us": "350000\n",
            "sys/fs/cgroup/\(mount)/a/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/\(mount)/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/\(mount)/cpu.cfs_period_us": "100000\n",
        ]
        #expect(try granted(files) == 4)
    }

    @Test func withoutGroupsNothingIsLimited() throws {
        #expect(iocp_cpus_granted("/nonexistent") == 0)
        #expect(try granted(["proc/self/cgroup": ""]) == 0)
        #expect(try granted(["proc/self/cgroup": "no colon\n0:\n1:cpu\n2:cpuset:/a\n"]) == 0)
        #expect(iocp_cpus_granted(String(repeating: "x", count: 5000)) == 0)
        for count in [4070, 4090] {  // too long with the file's name, and by itself
            #expect(try granted(["proc/self/cgroup": "0::/" + String(repeating: "y", count: count) + "\n"]) == 0)
        }
    }
}
