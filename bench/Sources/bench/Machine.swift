import Foundation

/// Where and when the figures were made; without it they cannot be compared with others.
struct Machine: Codable {
    var kernel: String
    var cpuModel: String
    var cpusOnline: Int
    var memoryBytes: Int
    var serverCPU: Int
    var loadCPU: Int
    var placementCaveat: String?
    var limits: Limits
    /// Of the minute before the start: far above 0, other work disturbed the figures.
    var loadAverageAtStart: Double
    var date: Date

    static func current(placement: Placement, limits: Limits) -> Machine {
        var name = utsname()
        uname(&name)
        let kernel = withUnsafeBytes(of: &name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        var averages = [Double](repeating: 0, count: 1)
        getloadavg(&averages, 1)
        return Machine(
            kernel: kernel,
            cpuModel: cpuModel() ?? "unknown",
            cpusOnline: ProcessInfo.processInfo.processorCount,
            memoryBytes: Int(clamping: ProcessInfo.processInfo.physicalMemory),
            serverCPU: placement.server, loadCPU: placement.load,
            placementCaveat: placement.caveat, limits: limits,
            loadAverageAtStart: averages[0], date: Date())
    }

    /// Lines that head a report, each a name and what it is.
    var lines: [(name: String, value: String)] {
        var lines = [
            ("date", Self.timestamp(date)),
            ("kernel", "Linux \(kernel)"),
            ("CPU", "\(cpuModel), \(cpusOnline) online; server on \(serverCPU), load on \(loadCPU)"),
            ("memory", "\(memoryBytes >> 20) MiB"),
            ("limits", "\(Figure.count(Double(limits.descriptors))) descriptors per process"),
            ("load average", String(format: "%.2f at the start", loadAverageAtStart)),
        ]
        if let placementCaveat { lines.append(("caution", placementCaveat)) }
        return lines
    }

    static func timestamp(_ date: Date) -> String {
        date.formatted(.iso8601)
    }

    /// `model name` on x86; on Arm the kernel gives only numbers, under `CPU part`.
    private static func cpuModel() -> String? {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else {
            return nil
        }
        for field in ["model name", "CPU part"] {
            for line in text.split(separator: "\n") where line.hasPrefix(field) {
                let value = line.drop { $0 != ":" }.dropFirst()
                return value.trimmingCharacters(in: .whitespaces)
            }
        }
        return nil
    }
}
