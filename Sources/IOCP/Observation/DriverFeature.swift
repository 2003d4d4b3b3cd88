import CIOCP

/// A feature of the kernel that the driver of a worker uses.
///
/// `iocp doctor` tells why one is missing. A value, to be used on any thread.
public struct DriverFeature: Hashable, Sendable {
    /// Those that this build knows.
    public static let all: [DriverFeature] = (0..<IOCP_FEATURE_COUNT.rawValue).map { DriverFeature(bit: $0) }

    /// Lower-case letters and '_', as `incremental_buffers`; `unknown_N` for one that only another build knows.
    public let name: String
    /// One sentence; empty for one that only another build knows.
    public let summary: String

    /// - Parameter bit: of the field `features`, 0 to 63.
    init(bit: UInt32) {
        guard let name = unsafe iocp_feature_name(bit), let summary = unsafe iocp_feature_summary(bit) else {
            (self.name, self.summary) = ("unknown_\(bit)", "")
            return
        }
        // Both are constants of the core.
        (self.name, self.summary) = unsafe (String(cString: name), String(cString: summary))
    }
}

extension WorkerStats {
    /// The features of the kernel that the worker's driver uses, in the order of ``DriverFeature/all``; none where the page lacks
    /// the field. A total has none.
    public var driverFeatures: [DriverFeature] {
        guard let bits = self[.features] else { return [] }
        return (0..<64).filter { bits >> $0 & 1 != 0 }.map { DriverFeature(bit: $0) }
    }
}
