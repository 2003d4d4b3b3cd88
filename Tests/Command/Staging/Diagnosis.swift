import ChildProcesses
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A run of `iocp doctor --json`, which fits its schema.
struct Diagnosis {
    struct Check {
        let verdict, found, cost: String
        let isKnown: Bool
        let remedy: [String]
    }

    let status: Int32
    let report: JSONValue

    /// - Parameter wrapper: a program and its arguments, which runs what follows them.
    init(_ options: [String] = [], within wrapper: [String] = []) throws {
        let child = try Diagnosis.start(["doctor", "--json"] + options, within: wrapper)
        status = try child.end()
        let output = child.text(of: .output)
        guard let value = try? JSONValue.parse(output) else {
            throw ChildProcess.Failure(description: "no JSON: \(output)\(child.text(of: .errors))")
        }
        report = value
        let violations = try SchemaCheck("docs/schemas/doctor.schema.json").violations(report)
        #expect(violations.isEmpty, "\(violations)")
        let verdict = try #require(report["verdict"]?.text)
        #expect(status == ["ok": 0, "note": 0, "warning": 1, "bad": 2][verdict])
    }

    init(of machine: StagedMachine, _ options: [String] = [], within wrapper: [String] = []) throws {
        try self.init(["--root", machine.root] + options, within: wrapper)
    }

    static func start(_ arguments: [String], within wrapper: [String]) throws -> ChildProcess {
        let command = try ChildProcess.buildDirectory() + "/iocp"
        guard let program = wrapper.first else { return try ChildProcess(command, arguments) }
        guard let path = tool(program) else { throw ChildProcess.Failure(description: "there is no \(program)") }
        return try ChildProcess(path, Array(wrapper.dropFirst()) + [command] + arguments)
    }

    var checks: [JSONValue] { report["checks"]?.array ?? [] }

    func check(_ group: String, _ name: String) throws -> Check {
        let found = checks.filter { $0["group"]?.text == group && $0["name"]?.text == name }
        let check = try #require(found.count == 1 ? found[0] : nil, "\(found.count) checks \(group)/\(name)")
        return Check(
            verdict: check["verdict"]?.text ?? "", found: check["found"]?.text ?? "", cost: check["cost"]?.text ?? "",
            isKnown: check["known"] == .boolean(true), remedy: check["remedy"]?.array?.compactMap(\.text) ?? [])
    }

    /// "group/name" of every check that is a warning or bad.
    var troubles: [String] {
        checks.filter { ["warning", "bad"].contains($0["verdict"]?.text) }
            .map { "\($0["group"]?.text ?? "")/\($0["name"]?.text ?? "")" }
    }

    // MARK: What a test needs of this machine

    /// The path of a program, if it is there.
    static func tool(_ name: String) -> String? {
        ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"].map { $0 + name }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    static func needs(_ tools: String...) -> ConditionTrait {
        let missing = tools.filter { tool($0) == nil }
        return .enabled(if: missing.isEmpty, "there is no \(missing.joined(separator: ", "))")
    }

    /// Whether a wrapper can do here what it is for: a tracer or a new namespace may be refused.
    static func works(_ wrapper: [String]) -> ConditionTrait {
        let works = wrapper.first.flatMap(tool).flatMap { path in
            try? ChildProcess(path, wrapper.dropFirst() + ["/bin/true"]).end() == 0
        }
        return .enabled(if: works == true, "\(wrapper.joined(separator: " ")) is refused here")
    }

    /// A network namespace of its own, and within it, what `script` sets.
    static let ownNetwork = geteuid() == 0 ? ["unshare", "-n"] : ["unshare", "-r", "-n"]

    static func inOwnNetwork(_ script: String) -> [String] {
        ownNetwork + ["/bin/sh", "-c", script + " && exec \"$@\"", "sh"]
    }

    /// In which bbr sends without fq.
    static let pacedPair = inOwnNetwork(
        "ip link add d0 type veth peer name d1 && tc qdisc replace dev d0 root pfifo_fast"
            + " && echo bbr > /proc/sys/net/ipv4/tcp_congestion_control")

    /// A tracer that lets io_uring_setup(2), or another call, fail.
    static func refusing(_ error: String, call: String = "io_uring_setup") -> [String] {
        // LeakSanitizer does not work under ptrace(2), and would fail the run for it.
        [
            "strace", "-f", "-qq", "-o", "/dev/null", "-E", "ASAN_OPTIONS=detect_leaks=0", "-e", "trace=\(call)",
            "-e", "inject=\(call):error=\(error)",
        ]
    }

    /// Without CAP_IPC_LOCK, which root has.
    static let unprivileged = geteuid() == 0 ? ["setpriv", "--bounding-set", "-ipc_lock"] : ["env"]

    /// The CPUs that this process may run on.
    static let cpus: [Int] = {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }) else {
            return []
        }
        return line.split(separator: "\t").last.map(String.init)?.split(separator: ",").flatMap { range in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
        } ?? []
    }()
}
