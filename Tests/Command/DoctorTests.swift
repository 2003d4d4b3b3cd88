import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// `iocp doctor` names the cause in each case. Where this machine can be made so, it is; otherwise files stand for
    /// it.
    @Suite struct Doctor {
        // MARK: io_uring

        @Test("io_uring refused by something unseen", Diagnosis.works(Diagnosis.refusing("EPERM")))
        func refused() throws {
            let check = try Diagnosis(of: StagedMachine(), within: Diagnosis.refusing("EPERM")).check(
                "kernel", "io_uring")
            #expect(check.verdict == "warning")
            #expect(check.found.hasPrefix("refused (EPERM): neither a sysctl nor a seccomp filter"))
            #expect(check.cost.contains("epoll"))
            // And on the machine as it is.
            #expect(
                try Diagnosis(within: Diagnosis.refusing("EPERM")).check("kernel", "io_uring").found.contains("EPERM"))
        }

        struct Refusal: Sendable {
            let error: String
            var changes: [String: String] = [:]
            let cause: String
            var remedy: String?
        }

        private static let disabled = "proc/sys/kernel/io_uring_disabled"
        private static let filtered = ["proc/self/status": StagedMachine.status(seccomp: 2)]

        static let refusals: [Refusal] = [
            Refusal(
                error: "EPERM", changes: [disabled: "2\n"], cause: "kernel.io_uring_disabled is 2",
                remedy: "sysctl -w kernel.io_uring_disabled=0"),
            Refusal(
                error: "EPERM", changes: [disabled: "1\n", "proc/sys/kernel/io_uring_group": "990\n"],
                cause: "group 990 (kernel.io_uring_group)", remedy: "usermod -aG"),
            Refusal(
                error: "EPERM", changes: [disabled: "1\n"], cause: "kernel.io_uring_group names none",
                remedy: "sysctl -w kernel.io_uring_disabled=0"),
            Refusal(
                error: "EPERM", changes: filtered, cause: "a seccomp filter forbids it",
                remedy: "seccomp=PROFILE.json"),
            Refusal(error: "ENOSYS", changes: filtered, cause: "a seccomp filter hides it", remedy: "SystemCallFilter"),
            Refusal(error: "ENOSYS", cause: "CONFIG_IO_URING"), Refusal(error: "EINVAL", cause: "older than Linux 6.1"),
            Refusal(error: "ENOMEM", cause: "RLIMIT_MEMLOCK", remedy: "--memlock=unlimited"),
            Refusal(error: "EMFILE", cause: "RLIMIT_NOFILE", remedy: "ulimit -n"),
        ]

        @Test(
            "io_uring refused: who does it, and what mends it", Diagnosis.works(Diagnosis.refusing("EPERM")),
            arguments: Doctor.refusals)
        func refusal(_ refusal: Refusal) throws {
            let machine = try StagedMachine(refusal.changes)
            let diagnosis = try Diagnosis(of: machine, within: Diagnosis.refusing(refusal.error))
            let check = try diagnosis.check("kernel", "io_uring")
            #expect(check.verdict == "warning" && check.found.hasPrefix("refused (\(refusal.error)): "))
            #expect(check.found.contains(refusal.cause), "\(check.found)")
            if let remedy = refusal.remedy {
                #expect(check.remedy.contains { $0.contains(remedy) }, "\(check.remedy)")
            } else {
                #expect(check.remedy.isEmpty)
            }
            #expect(diagnosis.report["first"]?.text == check.remedy.first ?? "io_uring: \(check.found)")
        }

        @Test("a user in kernel.io_uring_group is not told to join it", Diagnosis.works(Diagnosis.refusing("EPERM")))
        func inTheGroup() throws {
            let machine = try StagedMachine([
                "proc/sys/kernel/io_uring_disabled": "1\n", "proc/sys/kernel/io_uring_group": "1001\n",
            ])
            let check = try Diagnosis(of: machine, within: Diagnosis.refusing("EPERM")).check("kernel", "io_uring")
            #expect(check.found.contains("neither a sysctl"))
        }

        @Test(
            "a feature that is off is told since when there is one", needsRing,
            Diagnosis.works(Diagnosis.refusing("EINVAL", call: "io_uring_register")))
        func features() throws {
            let wrapper = Diagnosis.refusing("EINVAL", call: "io_uring_register")
            let old = try Diagnosis(
                of: StagedMachine(["proc/sys/kernel/osrelease": "6.8.0-31-generic\n"]), within: wrapper)
            let buffers = try old.check("kernel", "incremental buffers")
            #expect(buffers.verdict == "note" && buffers.found == "off: it comes with Linux 6.12, and this is 6.8")
            #expect(buffers.cost.contains("4 KiB"))
            let new = try Diagnosis(of: StagedMachine(), within: wrapper)
            #expect(try new.check("kernel", "incremental buffers").found.contains("the trial failed all the same"))
            #expect(try new.check("kernel", "fd of a connection").cost.contains("localAddress()"))
        }

        @Test("a kernel older than 6.1 is named")
        func oldKernel() throws {
            let machine = try StagedMachine(["proc/sys/kernel/osrelease": "5.15.0-91-generic\n"])
            let check = try Diagnosis(of: machine).check("kernel", "release")
            #expect(check.verdict == "warning" && check.found == "5.15.0-91-generic" && check.cost.contains("6.1"))
        }

        // MARK: Waiting

        @Test("epoll_pwait2 refused: by whom", Diagnosis.works(Diagnosis.refusing("ENOSYS", call: "epoll_pwait2")))
        func preciseWaits() throws {
            let wrapper = Diagnosis.refusing("ENOSYS", call: "epoll_pwait2")
            let old = try StagedMachine(["proc/sys/kernel/osrelease": "5.10.0-30-amd64\n"])
            let check = try Diagnosis(of: old, within: wrapper).check("kernel", "epoll_pwait2")
            #expect(check.verdict == "note" && check.cost.contains("by the millisecond"))
            #expect(check.found == "off (ENOSYS): it comes with Linux 5.11, and this is 5.10")
            let filtered = try StagedMachine(["proc/self/status": StagedMachine.status(seccomp: 2)])
            let hidden = try Diagnosis(of: filtered, within: wrapper).check("kernel", "epoll_pwait2")
            #expect(hidden.found == "off (ENOSYS): a seccomp filter forbids it" && hidden.remedy.count == 2)
            let unseen = try Diagnosis(of: StagedMachine(), within: wrapper).check("kernel", "epoll_pwait2")
            #expect(unseen.found.contains("the C library lacks it") && unseen.remedy.isEmpty)
        }

        @Test(
            "busy polling refused: since when there is some", needsRing,
            Diagnosis.works(Diagnosis.refusing("EINVAL", call: "io_uring_register")))
        func busyPolling() throws {
            let wrapper = Diagnosis.refusing("EINVAL", call: "io_uring_register")
            let old = try StagedMachine(["proc/sys/kernel/osrelease": "6.8.0-31-generic\n"])
            let check = try Diagnosis(of: old, within: wrapper).check("kernel", "busy poll")
            #expect(check.verdict == "note" && check.cost.contains("does not open"))
            #expect(check.found == "refused (EINVAL): it comes with Linux 6.9, and this is 6.8")
            let new = try Diagnosis(of: StagedMachine(), within: wrapper).check("kernel", "busy poll")
            #expect(new.found.contains("CONFIG_NET_RX_BUSY_POLL"))
        }

        @Test("net.core.busy_poll")
        func everybodyPolls() throws {
            let machine = try StagedMachine(["proc/sys/net/core/busy_poll": "50\n"])
            let check = try Diagnosis(of: machine).check("kernel", "net.core.busy_poll")
            #expect(check.verdict == "note" && check.found == "50 us" && check.remedy == ["sysctl -w net.core.busy_poll=0"])
            #expect(try Diagnosis(of: StagedMachine()).check("kernel", "net.core.busy_poll").verdict == "ok")
        }

        // MARK: Limits

        @Test("memlock", Diagnosis.works(Diagnosis.unprivileged), Diagnosis.needs("prlimit"))
        func lockedMemory() throws {
            let wrapper = Diagnosis.unprivileged + [Diagnosis.tool("prlimit")!, "--memlock=65536:65536"]
            let diagnosis = try Diagnosis(within: wrapper)
            let check = try diagnosis.check("limits", "locked memory")
            #expect(check.verdict == "warning")
            #expect(check.found.hasPrefix("64.0 KiB (RLIMIT_MEMLOCK)"), "\(check.found)")
            #expect(check.cost.contains("auto chooses epoll"))
            #expect(check.remedy == ["prlimit --pid $$ --memlock=unlimited:unlimited"])
        }

        @Test("memlock of 8 MiB carries 58 workers, and CAP_IPC_LOCK is not charged")
        func lockedMemoryOfWorkers() throws {
            let limits = StagedMachine.limits(openFiles: "1000", "1000000", locked: "8388608")
            let charged = try StagedMachine(["proc/self/limits": limits])
            #expect(try Diagnosis(of: charged).check("limits", "locked memory").found.hasSuffix(": 58 workers"))
            let status = StagedMachine.status(capabilities: "0000000000004000")
            let free = try StagedMachine(["proc/self/limits": limits, "proc/self/status": status])
            #expect(try Diagnosis(of: free).check("limits", "locked memory").found.contains("CAP_IPC_LOCK"))
        }

        @Test("nofile", Diagnosis.works(["prlimit", "--nofile=1024:1024"]))
        func openFiles() throws {
            let check = try Diagnosis(within: ["prlimit", "--nofile=1024:1024"]).check("limits", "open files")
            #expect(check.verdict == "warning")
            #expect(check.found.hasPrefix("1,024 (RLIMIT_NOFILE)"))
            #expect(check.cost.contains("1,024 connections") || check.cost.contains("at most 1,024"))
            #expect(check.remedy == ["prlimit --pid $$ --nofile=1048576:1048576"])
        }

        @Test("nofile that a shell may raise by itself")
        func softOpenFiles() throws {
            let machine = try StagedMachine(["proc/self/limits": StagedMachine.limits(openFiles: "1024", "524288")])
            #expect(try Diagnosis(of: machine).check("limits", "open files").remedy == ["ulimit -n 524288"])
        }

        @Test("threads: the control group's pids.max, and RLIMIT_NPROC")
        func threads() throws {
            let group = try StagedMachine([
                "sys/fs/cgroup/server/pids.max": "20\n", "sys/fs/cgroup/server/pids.current": "15\n",
            ])
            let check = try Diagnosis(of: group).check("limits", "threads")
            #expect(check.verdict == "bad" && check.found == "5 more (pids.max of the control group)")
            #expect(check.remedy == ["systemctl set-property UNIT TasksMax=infinity"])
            let user = try StagedMachine([
                "proc/self/limits": StagedMachine.limits(openFiles: "100000", "100000", processes: "3")
            ])
            #expect(try Diagnosis(of: user).check("limits", "threads").found == "3 more (RLIMIT_NPROC)")
        }

        // MARK: CPUs

        @Test(
            "cpuset of one core", .enabled(if: Diagnosis.cpus.count > 1, "this process has one CPU"),
            Diagnosis.needs("taskset"))
        func oneCore() throws {
            let cpu = try #require(Diagnosis.cpus.last)
            let check = try Diagnosis(within: ["taskset", "-c", "\(cpu)"]).check("processors", "allowed")
            #expect(check.verdict == "warning")
            #expect(
                check.found.hasPrefix("1 of ") && check.found.hasSuffix(" by affinity or cpuset: \(cpu)"),
                "\(check.found)")
            #expect(check.cost.contains("1 worker"))
            #expect(check.remedy.first?.hasPrefix("taskset -pc ") == true)
        }

        @Test("CPU quota of either version of control groups", arguments: [1, 2])
        func quota(version: Int) throws {
            let machine = try StagedMachine(
                version == 2
                    ? ["sys/fs/cgroup/server/cpu.max": "150000 100000\n"]
                    : [
                        "proc/self/cgroup": "3:cpu,cpuacct:/docker/1\n",
                        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
                        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                    ])
            let check = try Diagnosis(of: machine).check("processors", "quota")
            #expect(check.verdict == "warning" && check.found == "2 CPUs of time by the control group, on 4 CPUs")
            #expect(check.cost.contains("stopped together"))
            #expect(
                check.remedy == [
                    version == 2 ? "systemctl set-property UNIT CPUQuota=400%" : "docker update --cpus 4 CONTAINER"
                ])
        }

        @Test("NUMA nodes and SMT")
        func nodes() throws {
            let machine = try StagedMachine([
                "sys/devices/system/node/online": "0-1\n", "sys/devices/system/node/node0/cpulist": "0-1\n",
                "sys/devices/system/node/node1/cpulist": "2-3\n", "sys/devices/system/cpu/smt/active": "1\n",
            ])
            let diagnosis = try Diagnosis(of: machine)
            #expect(try diagnosis.check("processors", "nodes").found == "node 0: CPUs 0-1; node 1: CPUs 2-3")
            #expect(try diagnosis.check("processors", "threads of a core").verdict == "note")
        }

        // MARK: Memory

        @Test("no huge pages")
        func hugePages() throws {
            let machine = try StagedMachine(["proc/meminfo": StagedMachine.memory(hugePages: 0, free: 0)])
            let check = try Diagnosis(of: machine).check("memory", "huge pages")
            #expect(check.verdict == "note" && check.found == "none reserved" && check.cost.contains("4 KiB"))
            let wanted = try #require(check.remedy.first?.split(separator: "=").last.flatMap { Int($0) })
            let mended = try StagedMachine(["proc/meminfo": StagedMachine.memory(hugePages: wanted, free: wanted)])
            #expect(try Diagnosis(of: mended).check("memory", "huge pages").verdict == "ok")
            let used = try StagedMachine(["proc/meminfo": StagedMachine.memory(hugePages: wanted, free: 3)])
            #expect(try Diagnosis(of: used).check("memory", "huge pages").found.hasPrefix("3 of \(wanted) free"))
        }

        // MARK: The network

        @Test("somaxconn", Diagnosis.works(Diagnosis.ownNetwork))
        func backlog() throws {
            let wrapper = Diagnosis.inOwnNetwork("echo 128 > /proc/sys/net/core/somaxconn")
            let check = try Diagnosis(within: wrapper).check("network", "somaxconn")
            #expect(check.verdict == "warning" && check.found == "128" && check.cost.contains("instead of 4,096"))
            #expect(check.remedy == ["sysctl -w net.core.somaxconn=4096"])
        }

        @Test("port range", Diagnosis.works(Diagnosis.ownNetwork))
        func portRange() throws {
            let wrapper = Diagnosis.inOwnNetwork("echo 40000 40099 > /proc/sys/net/ipv4/ip_local_port_range")
            let check = try Diagnosis(within: wrapper).check("network", "ip_local_port_range")
            #expect(check.verdict == "warning" && check.found == "40000 to 40099: 100 ports")
            #expect(check.remedy == ["sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\""])
        }

        struct Sysctl: Sendable {
            let name: String
            let files: [String: String]
            let verdict: String
            let found: String
        }

        private static let halfOpen = "proc/sys/net/ipv4/tcp_max_syn_backlog"
        private static let cookies = "proc/sys/net/ipv4/tcp_syncookies"
        private static let pages = "proc/sys/net/ipv4/tcp_mem"
        private static let control = "proc/sys/net/ipv4/tcp_congestion_control"
        private static let discipline = "proc/sys/net/core/default_qdisc"
        private static let tracked = "proc/sys/net/netfilter/nf_conntrack_"

        static let sysctls: [Sysctl] = [
            Sysctl(
                name: "somaxconn", files: ["proc/sys/net/core/somaxconn": "511\n"], verdict: "warning", found: "511"),
            Sysctl(
                name: "ip_local_port_range", files: ["proc/sys/net/ipv4/ip_local_port_range": "50000\t50009\n"],
                verdict: "warning", found: "10 ports"),
            Sysctl(
                name: "tcp_max_syn_backlog", files: [halfOpen: "256\n", cookies: "0\n"], verdict: "warning",
                found: "SYN cookies are off"),
            Sysctl(name: "tcp_max_syn_backlog", files: [halfOpen: "256\n"], verdict: "ok", found: "cookies are on"),
            Sysctl(name: "tcp_mem", files: [pages: "100 200 300\n"], verdict: "warning", found: "800.0 KiB"),
            Sysctl(name: "tcp_mem", files: [pages: "100000 200000 3000000\n"], verdict: "note", found: "11.4 GiB"),
            Sysctl(
                name: "tcp_tw_reuse", files: ["proc/sys/net/ipv4/tcp_tw_reuse": "0\n"], verdict: "note", found: "off"),
            Sysctl(
                name: "tcp_congestion_control", files: [control: "bbr\n", discipline: "fq_codel\n"], verdict: "note",
                found: "not fq"),
            Sysctl(name: "tcp_congestion_control", files: [control: "bbr\n"], verdict: "ok", found: "fq by default"),
            Sysctl(
                name: "conntrack", files: [tracked + "count": "900\n", tracked + "max": "1000\n"], verdict: "warning",
                found: "900 of 1,000"),
            Sysctl(name: "conntrack", files: [:], verdict: "ok", found: "no module"),
        ]

        @Test("sysctls", arguments: Doctor.sysctls)
        func sysctl(_ sysctl: Sysctl) throws {
            let check = try Diagnosis(of: StagedMachine(sysctl.files)).check("network", sysctl.name)
            #expect(check.verdict == sysctl.verdict && check.found.contains(sysctl.found), "\(check)")
        }

        @Test("the queueing disciplines are the kernel's own", Diagnosis.works(Diagnosis.pacedPair))
        func disciplines() throws {
            let check = try Diagnosis(within: Diagnosis.pacedPair).check("network", "tcp_congestion_control")
            #expect(check.verdict == "note" && check.found == "bbr without fq on d0")
            #expect(check.remedy.contains("tc qdisc replace dev d0 root fq"))
        }

        @Test("network cards: one queue, one CPU for all queues, none at all")
        func cards() throws {
            let one = try StagedMachine(["sys/class/net/eth0/queues/rx-1/rps_cpus": nil])
            let check = try Diagnosis(of: one).check("cards", "eth0")
            #expect(check.verdict == "note" && check.found == "1 receive queue, 10,000 Mbit/s, interrupts on CPUs 0-1")
            #expect(check.remedy.last == "echo f > /sys/class/net/eth0/queues/rx-0/rps_cpus")
            let bound = try StagedMachine(["proc/irq/41/effective_affinity_list": "0\n"])
            #expect(try Diagnosis(of: bound).check("cards", "eth0").verdict == "warning")
            let files = StagedMachine.paths.filter { $0.hasPrefix("sys/class/net/eth0") }
            let loopback = try StagedMachine(Dictionary(uniqueKeysWithValues: files.map { ($0, nil) }))
            let none = try Diagnosis(of: loopback).check("cards", "all")
            #expect(none.verdict == "note" && none.found.hasPrefix("loopback"))
        }

        struct Mending: Sendable {
            let spoiling: String
            let group: String
            let name: String
        }

        static let mendings: [Mending] = [
            Mending(spoiling: "echo 128 > /proc/sys/net/core/somaxconn", group: "network", name: "somaxconn"),
            Mending(
                spoiling: "echo 40000 40099 > /proc/sys/net/ipv4/ip_local_port_range", group: "network",
                name: "ip_local_port_range"),
            Mending(spoiling: "ulimit -Sn 1024", group: "limits", name: "open files"),
        ]

        @Test(
            "its commands mend what it found", Diagnosis.works(Diagnosis.ownNetwork), Diagnosis.needs("sysctl"),
            arguments: Doctor.mendings)
        func mends(_ mending: Mending) throws {
            let check = try Diagnosis(within: Diagnosis.inOwnNetwork(mending.spoiling)).check(
                mending.group, mending.name)
            #expect(check.verdict == "warning")
            let commands = ([mending.spoiling] + check.remedy.map { $0 + " > /dev/null" }).joined(separator: " && ")
            let mended = try Diagnosis(within: Diagnosis.inOwnNetwork(commands)).check(mending.group, mending.name)
            #expect(mended.verdict == "ok", "\(commands): \(mended)")
        }

        @Test("seccomp, no new privileges and the container are told")
        func confinement() throws {
            let status = StagedMachine.status(seccomp: 2, noNewPrivileges: 1)
            let machine = try StagedMachine(["proc/self/status": status, "proc/self/cgroup": "0::/kubepods/pod1\n"])
            let diagnosis = try Diagnosis(of: machine)
            #expect(try diagnosis.check("confinement", "seccomp").found == "a filter")
            #expect(try diagnosis.check("confinement", "no new privileges").verdict == "note")
            #expect(try diagnosis.check("confinement", "container").found == "Kubernetes")
        }
    }
}
