import ChildProcesses
import Foundation
import Testing

/// The command under another program that changes where it runs or what it may do.
extension Commands {
    @Suite(needsRing) struct Wrapped {
        @Test(
            "taskset -c 1 leaves one worker, on CPU 1",
            .enabled(if: Wrapper.has("taskset", cpu: 1), "needs taskset and CPU 1"))
        func onOneCPU() throws {
            let server = try Wrapper("taskset", ["-c", "1"]).server([])
            defer { server.signal(SIGTERM) }
            let ready = try server.line(of: .output, beginning: "listening on ")
            #expect(ready.contains("workers=1 "))
            let workers = try Wrapper.stats(of: server)
            #expect(workers.map { $0["core"] as? Int } == [1])
            #expect(workers.map { $0["node"] as? Int } == [0])
        }

        @Test("stats shows each worker's CPU and node")
        func placement() throws {
            let server = try Server(["--workers", "2"])
            let workers = try Wrapper.stats(of: server.child)
            let allowed = ProcessInfo.processInfo.activeProcessorCount
            #expect(workers.compactMap { $0["core"] as? Int }.count == 2)
            if allowed >= 2 { #expect(Set(workers.compactMap { $0["core"] as? Int }).count == 2) }
            #expect(workers.allSatisfy { $0["node"] is Int })
            #expect(try server.end() == 0)
        }

        @Test("a privileged port names the capability", .enabled(if: Wrapper.has("setpriv"), "needs setpriv"))
        func privilegedPort() throws {
            let wrapper = Wrapper("setpriv", ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"])
            let child = try wrapper.run(["serve", "--host", "127.0.0.1", "--port", "80", "--workers", "1"])
            #expect(try child.end() == 1)
            #expect(child.lines(of: .errors).count == 1)
            #expect(child.text(of: .errors).contains("CAP_NET_BIND_SERVICE"))
        }

        @Test(
            "it serves as another user, locked down, with memory registered before",
            .enabled(if: getuid() == 0, "only root can become another user"), arguments: ["uring", "epoll"])
        func otherUser(driver: String) throws {
            let server = try Server(["--user", "nobody", "--lockdown", "--driver", driver, "--workers", "2"])
            let status = try String(contentsOfFile: "/proc/\(server.child.processID)/status", encoding: .utf8)
            let fields = status.split(separator: "\n").map { $0.split(separator: "\t") }
            guard let nobody = unsafe getpwnam("nobody") else {
                throw ChildProcess.Failure(description: "no user named nobody")
            }
            let (user, group) = unsafe (nobody.pointee.pw_uid, nobody.pointee.pw_gid)
            #expect(fields.first { $0[0] == "Uid:" }?.dropFirst() == Array(repeating: "\(user)", count: 4)[...])
            #expect(fields.first { $0[0] == "Gid:" }?.dropFirst() == Array(repeating: "\(group)", count: 4)[...])
            #expect(fields.first { $0[0] == "CapEff:" }?.last == "0000000000000000")
            let outcome = try stress(port: server.port, ["--connections", "50", "--size", "70000"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try server.end() == 0)
        }

        @Test(
            "the user whom a server became reads its counters, and others do not",
            .enabled(if: getuid() == 0 && Wrapper.has("setpriv"), "needs root and setpriv"),
            arguments: ["uring", "epoll"])
        func ownCounters(driver: String) throws {
            guard let nobody = unsafe getpwnam("nobody") else {
                throw ChildProcess.Failure(description: "no user named nobody")
            }
            let (user, group) = unsafe (nobody.pointee.pw_uid, nobody.pointee.pw_gid)
            let server = try Server(["--user", "nobody", "--driver", driver])
            // Who measures coverage could not write here as another user, and would say so.
            let quiet = ["LLVM_PROFILE_FILE": "/dev/null"]
            let own = try Wrapper("setpriv", ["--reuid=\(user)", "--regid=\(group)", "--clear-groups"])
                .run(["stats", "--pid", "\(server.child.processID)"], environment: quiet)
            #expect(try own.end() == 0, "\(own.text(of: .errors))")
            #expect(own.text(of: .output).hasPrefix("process \(server.child.processID), driver \(driver), 1 worker\n"))
            let other = try Wrapper("setpriv", ["--reuid=\(user - 1)", "--regid=\(group)", "--clear-groups"])
                .run(["stats", "--pid", "\(server.child.processID)"], environment: quiet)
            #expect(try other.end() == 1)
            #expect(
                other.text(of: .errors)
                    == "iocp: process \(server.child.processID) belongs to another user: run as that user or root\n")
            #expect(try server.end() == 0)
        }

        @Test(
            "a server in a PID namespace of its own is shown by the number that was asked for",
            .enabled(if: Wrapper.makesNamespaces, "needs root and unshare --pid"))
        func namespace() throws {
            let outer = try Wrapper("unshare", ["--pid", "--fork", "--mount-proc", "--kill-child"]).server([])
            _ = try outer.line(of: .output, beginning: "listening on ")
            let server = try #require(Wrapper.children(of: outer.processID).first)
            let outcome = try Outcome(of: ["stats", "--pid", "\(server)"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.hasPrefix("process \(server), driver "))
            kill(server, SIGTERM)
            #expect(try outer.end() == 0)
        }

        @Test(
            "where rings may not have their memory the server and the load run on epoll, and say why once",
            .enabled(
                if: getuid() == 0 && Wrapper.has("setpriv") && Wrapper.has("prlimit"), "needs root, setpriv and prlimit"))
        func memoryLimit() throws {
            // Of a user who holds no ring meanwhile: what one user's processes lock is one sum.
            let user = ["--reuid=64209", "--regid=65534", "--clear-groups"]
            // Who measures coverage could not write here as another user, and would say so.
            let quiet = ["LLVM_PROFILE_FILE": "/dev/null"]
            let limited = Wrapper("setpriv", user + ["prlimit", "--memlock=65536"])
            let serve = ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "2"]
            let server = try limited.run(serve, environment: quiet)
            let ready = try server.line(of: .output, beginning: "listening on ")
            #expect(ready.hasSuffix("driver=epoll"))
            let port = try #require(ready.split(separator: " ")[2].split(separator: ":").last)
            let load = ["stress", "--port", String(port), "--connections", "10", "--duration", "0.3"]
            let client = try limited.run(load, environment: quiet)
            #expect(try client.end() == 0, "\(client.text(of: .errors))")
            server.signal(SIGTERM)
            #expect(try server.end() == 0)
            for command in [server, client] {
                let warning = "iocp: warning: using epoll: no memory for the ring (ENOMEM): RLIMIT_MEMLOCK"
                #expect(command.lines(of: .errors).filter { $0.hasPrefix(warning) }.count == 1)
            }
            let forced = try limited.run(serve + ["--driver", "uring"], environment: quiet)
            #expect(try forced.end() == 1)
            #expect(forced.text(of: .errors).contains("no memory for the ring (ENOMEM)"))
        }

        @Test(
            "libnuma says nothing on stderr, even if /sys makes no sense",
            .enabled(if: Wrapper.makesNamespaces, "needs root and unshare --mount"))
        func quietLibrary() throws {
            let script = """
                mount -t tmpfs none /sys && mkdir -p /sys/devices/system/node/node0 &&
                echo nonsense > /sys/devices/system/node/node0/cpumap && exec "$@"
                """
            let child = try Wrapper("unshare", ["--mount", "bash", "-c", script, "bash"]).server(["--workers", "1"])
            _ = try child.line(of: .output, beginning: "listening on ")
            child.signal(SIGTERM)
            #expect(try child.end() == 0)
            #expect(child.text(of: .errors) == "")
        }

        @Test(
            "a process that /proc hides is told from one that is not there",
            .enabled(if: Wrapper.makesNamespaces && Wrapper.has("setpriv"), "needs root, unshare and setpriv"))
        func hidden() throws {
            let server = try Server()
            func stats(_ pid: String) throws -> ChildProcess {
                let script =
                    #"mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@""#
                let child = try Wrapper("unshare", ["--mount", "bash", "-c", script, "bash"])
                    .run(["stats", "--pid", pid], environment: ["LLVM_PROFILE_FILE": "/dev/null"])
                #expect(try child.end() == 1)
                #expect(child.text(of: .output) == "")
                return child
            }
            let pid = "\(server.child.processID)"
            #expect(
                try stats(pid).text(of: .errors)
                    == "iocp: /proc hides process \(pid) from this user (hidepid): run as that user or root\n")
            #expect(try stats("5000000").text(of: .errors) == "iocp: there is no process 5000000\n")
            #expect(try server.end() == 0)
        }

        @Test(
            "who cannot become another user is told",
            .enabled(if: getuid() == 0 && Wrapper.has("setpriv"), "needs root and setpriv"))
        func cannotBecome() throws {
            let wrapper = Wrapper("setpriv", ["--reuid=65534", "--clear-groups"])
            // Who measures coverage could not write here as another user, and would say so.
            let child = try wrapper.run(
                ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--user", "daemon"],
                environment: ["LLVM_PROFILE_FILE": "/dev/null"])
            #expect(try child.end() == 1)
            #expect(child.text(of: .errors).hasSuffix("run as root, or leave out --user\n"))
            let unknown = try Outcome(of: ["serve", "--user", "no-such-user"])
            #expect(unknown.status == 64)
        }

        @Test(
            "where io_uring is refused the server serves on epoll, and says why",
            .enabled(if: Wrapper.has("strace"), "needs strace"), arguments: ["EPERM", "ENOSYS"])
        func refused(error: String) throws {
            let refusing = Diagnosis.refusing(error)
            let strace = Wrapper(refusing[0], Array(refusing.dropFirst()))
            let child = try strace.server(["--workers", "1"])
            let ready = try child.line(of: .output, beginning: "listening on ")
            #expect(ready.hasSuffix("driver=epoll"))
            #expect(child.lines(of: .errors).count == 1)
            #expect(child.text(of: .errors).contains(error))
            let port = try #require(ready.split(separator: " ")[2].split(separator: ":").last)
            let outcome = try stress(port: String(port))
            #expect(outcome.status == 0, "\(outcome.errors)")
            // strace passes the signal on to nobody: its child is told itself.
            for pid in Wrapper.children(of: child.processID) { kill(pid, SIGTERM) }
            #expect(try child.end() == 0)

            let forced = try strace.run(["serve", "--host", "127.0.0.1", "--port", "0", "--driver", "uring"])
            #expect(try forced.end() == 1)
            #expect(forced.text(of: .errors).contains("io_uring is refused here (\(error))"))
        }
    }
}

/// A program that runs another one.
struct Wrapper {
    let program: String
    let arguments: [String]

    init(_ name: String, _ arguments: [String]) {
        program = "/usr/bin/" + name
        self.arguments = arguments
    }

    static func has(_ name: String, cpu: Int? = nil) -> Bool {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/" + name) else { return false }
        guard let cpu else { return true }
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let allowed = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
        return allowed.dropFirst("Cpus_allowed_list:\t".count).split(separator: ",").contains { part in
            let bounds = part.split(separator: "-").compactMap { Int($0) }
            return bounds.first.map { $0...bounds.last! ~= cpu } ?? false
        }
    }

    /// Whether root may make PID and mount namespaces here: containers often forbid it.
    static let makesNamespaces: Bool = {
        guard getuid() == 0, has("unshare"),
            let child = try? ChildProcess("/usr/bin/unshare", ["--pid", "--fork", "--mount-proc", "true"])
        else { return false }
        return (try? child.end()) == 0
    }()

    func run(_ command: [String], environment: [String: String] = [:]) throws -> ChildProcess {
        try ChildProcess(
            program, arguments + [try ChildProcess.buildDirectory() + "/iocp"] + command, environment: environment)
    }

    func server(_ options: [String]) throws -> ChildProcess {
        try run(["serve", "--host", "127.0.0.1", "--port", "0"] + options)
    }

    /// The workers in `iocp stats --json` of a running server.
    static func stats(of server: ChildProcess) throws -> [[String: Any]] {
        let outcome = try Outcome(of: ["stats", "--json", "--pid", "\(server.processID)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        return report?["workers"] as? [[String: Any]] ?? []
    }

    static func children(of pid: pid_t) -> [pid_t] {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { pid_t($0) }
    }
}
