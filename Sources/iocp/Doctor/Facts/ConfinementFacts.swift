#if Command
/// What holds this process within bounds.
struct ConfinementFacts {
    let seccomp: Reading<Int>
    let noNewPrivileges: Reading<Bool>
    /// The kind of container, where one can be seen.
    let container: String?

    init(_ files: SystemFiles, _ process: ProcessFacts) {
        seccomp = process.seccomp
        noNewPrivileges = process.noNewPrivileges
        container = ConfinementFacts.container(files)
    }

    /// Words of the control group's path, and what writes them.
    private static let runtimes = [
        ("kubepods", "Kubernetes"), ("libpod", "Podman"), ("docker", "Docker"), ("containerd", "containerd"),
        ("lxc", "LXC"),
    ]

    static func container(_ files: SystemFiles) -> String? {
        if let name = files.word("/run/systemd/container").value { return name }
        if files.exists("/run/.containerenv") { return "Podman" }
        let path = files.text("/proc/self/cgroup").value ?? ""
        if let runtime = runtimes.first(where: { path.contains($0.0) }) { return runtime.1 }
        return files.exists("/.dockerenv") ? "Docker" : nil
    }
}
#endif
