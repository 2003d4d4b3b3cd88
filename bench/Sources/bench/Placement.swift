import CLaunch
import Foundation

/// Which CPU the server and which the load gets, so that neither takes time from the other.
struct Placement {
    let server: Int
    let load: Int
    /// What a reader of the figures must know about it, if anything.
    let caveat: String?

    var cpus: Set<Int> { [server, load] }

    static func choose() throws -> Placement {
        var cpus = [Int32](repeating: 0, count: 1024)
        let count = launch_allowed_cpus(&cpus, Int32(cpus.count))
        guard count > 0 else { throw Failure("cannot read the CPUs this process may use") }
        let allowed = cpus.prefix(Int(count)).map(Int.init)

        let server = allowed[0]
        guard allowed.count > 1 else {
            return Placement(
                server: server, load: server,
                caveat: "only CPU \(server) is allowed: server and load share it, so latency and "
                    + "throughput tell little; CPU per message still compares")
        }
        // Two hyperthreads of one core share its execution units: take another core if there is one.
        let siblings = siblings(of: server)
        if let load = allowed.dropFirst().first(where: { !siblings.contains($0) }) {
            return Placement(server: server, load: load, caveat: nil)
        }
        return Placement(
            server: server, load: allowed[1],
            caveat: "CPUs \(server) and \(allowed[1]) are hyperthreads of one core: server and "
                + "load slow each other down")
    }

    /// Understands the kernel's list format: `0,64` or `0-1`.
    private static func siblings(of cpu: Int) -> Set<Int> {
        let path = "/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [cpu] }
        var result: Set<Int> = []
        for part in text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",") {
            let bounds = part.split(separator: "-").compactMap { Int($0) }
            guard let first = bounds.first, let last = bounds.last, first <= last else { continue }
            result.formUnion(first...last)
        }
        return result
    }
}
