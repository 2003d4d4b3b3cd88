#if Command
import CIOCP

/// Whether this machine can hold a number of connections with this library.
struct CapacityChecks {
    private let connections: Int
    private let facts: MachineFacts
    private let defaultWorkers: Int
    /// Connections that one worker can hold.
    private let perWorker: Int
    /// Workers that hold them all, at least the default: as a port has them for ``PortConfiguration/connections``.
    private let workers: Int
    /// No number of workers holds them all.
    private let areTooMany: Bool
    /// With epoll each connection has a file descriptor.
    private let isOnRing: Bool
    /// What one ring's table takes, which RLIMIT_NOFILE bounds; a worker has as many rings as it needs.
    private let perRing: Int
    private let ringsEach: Int
    private let ringCount: Int

    /// A token names at most 2^20 connections of each of 1,024 workers.
    static let mostPerWorker = 1 << 20
    private static let mostWorkers = 1_024
    /// Rings, listening sockets and the program's own files: so many for each worker.
    private static let filesPerWorker = 16

    /// Of an idle connection, without the application's state. Measured; see docs/BENCHMARKS.md.
    static let userBytes = 261
    /// Of a worker: buffers that are provided, rings and tables. Measured at a million connections on 64 workers.
    private static let workerBytes = 600 << 10
    /// Of the accepted end of an idle connection. Measured: 9 KB for both ends.
    private static let kernelBytes = 4_608

    init(_ connections: Int, _ facts: MachineFacts) {
        self.connections = connections
        self.facts = facts
        defaultWorkers = facts.processors.defaultWorkers ?? 1
        let files = facts.process.openFiles.value?.soft ?? CapacityChecks.mostPerWorker
        let table = max(1, min(files, CapacityChecks.mostPerWorker))
        let found = CapacityChecks.capacity(for: connections, workers: defaultWorkers, table)
        let each = found.map { Int($0.connections_per_worker) } ?? CapacityChecks.mostPerWorker
        workers = found.map { Int($0.worker_count) } ?? CapacityChecks.mostWorkers
        ringsEach = CapacityChecks.divided(each, by: table)
        ringCount = workers * ringsEach
        isOnRing = facts.isRingOpen && (LimitChecks.workersLocked(facts) ?? .max) >= ringCount
        perWorker = each
        perRing = table
        areTooMany = found == nil
    }

    /// As a port derives it; nil where 1,024 workers are too few.
    private static func capacity(for connections: Int, workers least: Int, _ table: Int) -> iocp_capacity? {
        let places = unsafe iocp_capacity_places(UInt32(table), iocp_port_config_default().receive_buffers_per_worker)
        var capacity = iocp_capacity()
        let result = unsafe iocp_capacity_derive(
            UInt32(connections), UInt32(min(least, mostWorkers)), UInt32(mostWorkers),
            places, &capacity)
        return result < 0 ? nil : capacity
    }

    var all: [DoctorCheck] {
        [
            tables, machineFiles, lockedMemory, threads, memory, networkMemory, tracking, load,
        ].compactMap { $0 }
    }

    private static func divided(_ count: Int, by size: Int) -> Int { (count + size - 1) / size }

    private func count(_ value: Int) -> String { Figure.count(UInt64(value)) }
    private func bytes(_ value: Int) -> String { Figure.bytes(UInt64(value)) }

    private func check<Value>(_ name: String, _ reading: Reading<Value>, _ judge: (Value) -> Judgement) -> DoctorCheck {
        CheckGroup.capacity.check(name, reading, judge)
    }

    // MARK: Tables and files

    private var tables: DoctorCheck {
        check(isOnRing ? "workers" : "open files", facts.process.openFiles) { limit in
            isOnRing ? rings(limit) : descriptors(limit)
        }
    }

    private func rings(_ limit: ResourceLimit) -> Judgement {
        let tables = ringsEach == 1 ? "" : ", on \(Figure.counted(ringsEach, "ring")) of up to \(count(perRing))"
        let found = "\(Figure.counted(workers, "worker")), each with up to \(count(perWorker)) connections\(tables)"
        let held = defaultWorkers * perRing
        let cost = "By default \(Figure.counted(defaultWorkers, "worker")) hold \(count(held)) connections: set "
            + "PortConfiguration.connections."
        let setting = "iocp serve --connections \(connections)"
        guard !areTooMany else {
            return .bad("more than 1,024 workers hold", cost, mend: [setting])
        }
        if ringsEach == 1, workers == defaultWorkers { return .ok(found) }
        return .note(found, cost, mend: LimitChecks.openFilesRemedy(limit, atLeast: perWorker) + [setting])
    }

    private func descriptors(_ limit: ResourceLimit) -> Judgement {
        let needed = connections + workers * CapacityChecks.filesPerWorker
        let found = "\(count(limit.soft)), and epoll takes one for each connection: \(count(needed))"
        guard limit.soft < needed else { return .ok(found) }
        let cost = "A server accepts about \(count(limit.soft)) connections, and lets the others wait."
        // Rings that could be locked would need none of these descriptors.
        if facts.isRingOpen { return .bad(found, cost, mend: LimitChecks.memlockRemedy) }
        return .bad(
            found, cost,
            mend: (needed > LimitChecks.wantedFiles ? ["sysctl -w fs.nr_open=\(needed)"] : [])
                + LimitChecks.openFilesRemedy(limit, atLeast: needed))
    }

    /// Direct descriptors count here, too: each socket has its file within the kernel.
    private var machineFiles: DoctorCheck {
        check("fs.file-max", facts.network.openFiles) { used, limit in
            let needed = used + connections
            let found = limit >= Number.most ? "no limit" : "\(count(limit)) for the machine, \(count(used)) in use"
            guard needed > limit else { return .ok(found) }
            if facts.process.has(.administer) == true { return .ok("\(found), not held against CAP_SYS_ADMIN") }
            return .bad(
                found, "Accepts fail once the machine has no file left.", mend: "sysctl -w fs.file-max=\(needed * 2)")
        }
    }

    private var lockedMemory: DoctorCheck? {
        guard facts.isRingOpen, let carried = LimitChecks.workersLocked(facts) else { return nil }
        let needed = ringCount * LimitChecks.lockedBytesPerWorker
        let found = "\(Figure.counted(ringCount, "ring")) of \(carried) that RLIMIT_MEMLOCK carries"
        guard carried < ringCount else { return CheckGroup.capacity.check("locked memory", .ok(found)) }
        return CheckGroup.capacity.check(
            "locked memory",
            .warning(
                found, "\(bytes(needed)) cannot be locked, so auto chooses epoll.", mend: LimitChecks.memlockRemedy))
    }

    private var threads: DoctorCheck? {
        guard let bound = LimitChecks.leastThreads(facts.threads) else { return nil }
        let needed = LimitChecks.threadsNeeded(facts, workers)
        let found = "\(count(needed)) of \(count(bound.count)) (\(bound.name))"
        return CheckGroup.capacity.check(
            "threads",
            bound.count >= needed
                ? .ok(found) : .bad(found, "Not all workers can be started.", mend: bound.remedy))
    }

    // MARK: Memory

    private static let tightShare = 0.8

    private var memory: DoctorCheck {
        check("memory", facts.memory.roomBytes) { room in
            let user = connections * CapacityChecks.userBytes + workers * CapacityChecks.workerBytes
            let kernel = connections * CapacityChecks.kernelBytes
            let found =
                "\(bytes(user)) and your state, \(bytes(kernel)) in the kernel; \(bytes(room)) are available"
            if user + kernel > room {
                return .bad(found, "The machine runs out of memory before all are open, even if they are idle.")
            }
            if Double(user + kernel) > Double(room) * CapacityChecks.tightShare {
                return .warning(found, "Little is left for messages and for your own state.")
            }
            return .ok(found)
        }
    }

    private var networkMemory: DoctorCheck {
        check("tcp_mem", facts.network.memoryPages) { pages in
            let found = "\(count(pages[1])) pages before pressure, at most \(count(pages[2]))"
            let wanted = connections * 2
            let remedy = "sysctl -w net.ipv4.tcp_mem=\"\(connections) \(wanted * 3 / 4) \(wanted)\""
            if connections > pages[2] {
                return .warning(
                    found, "If each connection has one page under way, TCP drops packets; idle ones take none.",
                    mend: remedy)
            }
            if connections > pages[1] {
                return .note(
                    found, "If each connection has one page under way, TCP shrinks windows; idle ones take none.",
                    mend: remedy)
            }
            return .ok(found)
        }
    }

    // MARK: The network

    private var tracking: DoctorCheck? {
        guard facts.network.tracks else { return nil }
        return check("conntrack", facts.network.trackedConnections) { used, limit in
            let found = "\(count(limit)) tracked at most, \(count(used)) now"
            guard used + connections > limit else { return .ok(found) }
            return .warning(
                found, "If these connections are tracked, the kernel drops new ones once the table is full.",
                mend: "sysctl -w net.netfilter.nf_conntrack_max=\(2 * (used + connections))")
        }
    }

    /// So many ports a kernel with its own settings has for each source address.
    private static let usualPorts = 28_000

    private var load: DoctorCheck {
        let ports = min(facts.network.portRange.value?.count ?? CapacityChecks.usualPorts, CapacityChecks.usualPorts)
        let addresses = CapacityChecks.divided(connections, by: max(1, ports))
        let found = "\(Figure.counted(addresses, "source address", plural: "source addresses")) for a load generator"
        return CheckGroup.capacity.check(
            "load",
            addresses == 1
                ? .ok(found)
                : .note(
                    found,
                    "One address has \(count(ports)) ports to one destination; a load on this machine also doubles the "
                        + "kernel's memory."))
    }
}
#endif
