import Testing

extension Commands {
    /// `iocp doctor --connections`.
    @Suite(needsRing) struct DoctorCapacity {
        private static func diagnose(_ connections: Int, _ changes: [String: String?] = [:]) throws -> Diagnosis {
            try Diagnosis(of: StagedMachine(changes), ["--connections", "\(connections)"])
        }

        @Test("a machine that holds them")
        func enough() throws {
            let diagnosis = try Self.diagnose(100_000)
            #expect(diagnosis.troubles == [])
            #expect(diagnosis.report["connections"] == .number(100_000))
            #expect(
                try diagnosis.check("capacity", "workers").found == "4 workers, each with up to 26,034 connections")
            let memory = try diagnosis.check("capacity", "memory").found
            #expect(memory.hasPrefix("27.2 MiB and your state, 439.5 MiB in the kernel"), "\(memory)")
        }

        @Test("a ring's table is bounded by RLIMIT_NOFILE: several rings, more workers, or a higher limit")
        func workers() throws {
            let check = try Self.diagnose(1_000_000).check("capacity", "workers")
            #expect(check.verdict == "note")
            #expect(check.found == "4 workers, each with up to 253,080 connections, on 3 rings of up to 100,000")
            #expect(check.cost.contains("hold 400,000 connections"))
            #expect(check.remedy.last == "iocp serve --connections 1000000")
            let raisable = StagedMachine.limits(openFiles: "1024", "524288")
            let other = try Self.diagnose(1_000_000, ["proc/self/limits": raisable]).check("capacity", "workers")
            // A worker's 256 receive buffers are enough for 128 rings.
            #expect(other.verdict == "note")
            #expect(other.found == "8 workers, each with up to 127,204 connections, on 125 rings of up to 1,024")
            let low = StagedMachine.limits(openFiles: "64", "64")
            let worst = try Self.diagnose(10_000_000, ["proc/self/limits": low])
            #expect(try worst.check("capacity", "workers").verdict == "bad" && worst.status == 2)
        }

        @Test(
            "on epoll each connection takes a file descriptor",
            Diagnosis.works(Diagnosis.refusing("EPERM")))
        func descriptors() throws {
            let diagnosis = try Diagnosis(
                of: StagedMachine(), ["--connections", "200000"],
                within: Diagnosis.refusing("EPERM"))
            let check = try diagnosis.check("capacity", "open files")
            #expect(check.verdict == "bad" && check.remedy == ["prlimit --pid $$ --nofile=1048576:1048576"])
            #expect(diagnosis.status == 2)
        }

        @Test("rings that cannot be locked make it epoll")
        func locked() throws {
            let limits = StagedMachine.limits(openFiles: "20000", "20000", locked: "8388608")
            let diagnosis = try Self.diagnose(2_000_000, ["proc/self/limits": limits])
            let check = try diagnosis.check("capacity", "locked memory")
            #expect(check.verdict == "warning" && check.found == "104 rings of 58 that RLIMIT_MEMLOCK carries")
            let files = try diagnosis.check("capacity", "open files")
            #expect(files.verdict == "bad" && files.remedy == check.remedy)
        }

        struct Shortage: Sendable {
            let name: String
            var files: [String: String] = [:]
            let verdict: String
            var remedy: String?
        }

        private static func memory(_ available: Int) -> [String: String] {
            ["proc/meminfo": StagedMachine.memory(hugePages: 400, free: 400, available: available)]
        }

        static let shortages: [Shortage] = [
            Shortage(
                name: "fs.file-max", files: ["proc/sys/fs/file-nr": "1000\t0\t60000\n"], verdict: "bad",
                remedy: "sysctl -w fs.file-max=202000"),
            Shortage(name: "memory", files: memory(300_000), verdict: "bad"),
            Shortage(name: "memory", files: memory(550_000), verdict: "warning"),
            Shortage(
                name: "memory",
                files: ["sys/fs/cgroup/memory.max": "400000000\n", "sys/fs/cgroup/memory.current": "1000000\n"],
                verdict: "bad"),
            Shortage(
                name: "tcp_mem", files: ["proc/sys/net/ipv4/tcp_mem": "60000 70000 90000\n"], verdict: "warning",
                remedy: "sysctl -w net.ipv4.tcp_mem=\"100000 150000 200000\""),
            Shortage(
                name: "conntrack",
                files: [
                    "proc/sys/net/netfilter/nf_conntrack_count": "5\n",
                    "proc/sys/net/netfilter/nf_conntrack_max": "65536\n",
                ], verdict: "warning", remedy: "sysctl -w net.netfilter.nf_conntrack_max=200010"),
            Shortage(name: "load", verdict: "note"),
        ]

        @Test("what else is too little", arguments: DoctorCapacity.shortages)
        func tooLittle(shortage: Shortage) throws {
            let check = try Self.diagnose(100_000, shortage.files).check("capacity", shortage.name)
            #expect(check.verdict == shortage.verdict, "\(check)")
            #expect(check.remedy.first == shortage.remedy)
        }
    }
}
