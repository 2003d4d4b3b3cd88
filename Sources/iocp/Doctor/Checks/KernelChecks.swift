#if Command
/// The release of the kernel.
enum KernelChecks {
    /// What the ring needs: SINGLE_ISSUER with DEFER_TASKRUN.
    static let least = KernelVersion(6, 1)
    /// With this one everything is used that there is.
    private static let whole = KernelVersion(6, 15)

    static func all(_ facts: KernelFacts) -> [DoctorCheck] {
        [
            CheckGroup.kernel.check("release", facts.version) { version in
                let found = facts.release.value ?? version.description
                if version < least {
                    return .warning(
                        found, "Servers run on epoll: io_uring as it is used here needs Linux \(least).")
                }
                if version < whole {
                    return .note(found, "Some features come with later kernels, up to \(whole); they are listed below.")
                }
                return .ok(found)
            },
            CheckGroup.kernel.check("build", facts.build) { .ok($0) },
        ]
    }
}
#endif
