#if Command
/// What holds the process within bounds. Whether that stops io_uring is told with io_uring.
enum ConfinementChecks {
    static func all(_ facts: ConfinementFacts) -> [DoctorCheck] {
        let group = CheckGroup.confinement
        return [
            group.check("seccomp", facts.seccomp) { mode in
                switch mode {
                case 0: .ok("none")
                case 2: .ok("a filter")
                case 1: .bad("strict", "Nothing but read(2) and write(2) is allowed, so no server runs here.")
                default: .note("mode \(mode)", "This mode is not known here.")
                }
            },
            group.check("no new privileges", facts.noNewPrivileges) { isSet in
                isSet
                    ? .note(
                        "set",
                        "Capabilities of a program's file are not gained, so ports below 1024 may be out of reach.")
                    : .ok("not set")
            },
            group.check("container", .ok(facts.container ?? "none seen")),
        ]
    }
}
#endif
