#if Command
import CIOCP

/// The features of io_uring that were found by trial, and what goes missing without each.
enum RingFeatureChecks {
    private struct Feature: Sendable {
        let name: String
        let isOn: any KeyPath<iocp_capabilities, Bool> & Sendable
        let since: KernelVersion
        let cost: String
        /// Whether the liburing that this was built with has to know it, too.
        var needsLiburing = false
    }

    private static let features: [Feature] = [
        Feature(
            name: "one thread per ring", isOn: \.single_issuer, since: KernelChecks.least, cost: "Servers run on epoll."
        ),
        Feature(
            name: "no index array", isOn: \.no_sqarray, since: KernelVersion(6, 6),
            cost: "Each entry costs a load more.", needsLiburing: true),
        Feature(
            name: "socket commands", isOn: \.socket_commands, since: KernelVersion(6, 7),
            cost: "With direct descriptors, peerAddress() fails with EOPNOTSUPP and connectionsPerAddress makes auto choose epoll."),
        Feature(
            name: "fd of a connection", isOn: \.fd_install, since: KernelVersion(6, 8),
            cost: "With direct descriptors, localAddress(), info() and the options of one connection fail with EOPNOTSUPP."),
        Feature(
            name: "silent sends", isOn: \.silent_sends, since: KernelChecks.least,
            cost: "Each send has its completion, so a message below the peak load enters the kernel twice."),
        Feature(
            name: "incremental buffers", isOn: \.incremental_buffers, since: KernelVersion(6, 12),
            cost: "Small messages take whole receive buffers of 4 KiB."),
        Feature(
            name: "minimum waits", isOn: \.min_wait, since: KernelVersion(6, 12),
            cost: "A busy worker enters the kernel more often."),
        Feature(
            name: "direct descriptors", isOn: \.prompt_close, since: KernelVersion(6, 13),
            cost: "A connection takes a file descriptor of the process."),
        Feature(
            name: "waits are idle", isOn: \.no_iowait, since: KernelVersion(6, 15),
            cost: "A worker that sleeps is shown as one that waits for a disk."),
    ]

    static func all(_ facts: KernelFacts) -> [DoctorCheck] {
        features.map { feature in
            let since = "since \(feature.since)"
            guard !facts.ring[keyPath: feature.isOn] else {
                return CheckGroup.kernel.check(feature.name, .ok("on (\(since))"))
            }
            return CheckGroup.kernel.check(feature.name, .note("off: " + cause(feature, facts), feature.cost))
        }
    }

    static func allOff() -> DoctorCheck {
        CheckGroup.kernel.check(
            "features",
            .note("off: " + features.map(\.name).joined(separator: ", "), "They come with io_uring, which is refused."))
    }

    private static func cause(_ feature: Feature, _ facts: KernelFacts) -> String {
        guard let version = facts.version.value else { return "the trial failed; it comes with Linux \(feature.since)" }
        if version < feature.since { return "it comes with Linux \(feature.since), and this is \(version)" }
        if feature.needsLiburing { return "the kernel has it, and the liburing of this build is too old" }
        return "the kernel is new enough (\(feature.since)), and the trial failed all the same"
    }
}
#endif
