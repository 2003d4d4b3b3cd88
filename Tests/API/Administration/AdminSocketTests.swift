import ChildProcesses
import Foundation
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// The admin socket itself: its file, its end, and clients that mean it no good.
    @Suite struct AdminSockets {
        @Test("a file of mode 0600, which ends with the socket; a stale one is replaced", arguments: testedDrivers)
        func file(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let address = try UnixAddress(path: folder.path + "/admin.sock")
            try Peer.leaveStale(address)
            try await withServer(driver) { server, _, _ in
                let admin = try server.port.serveAdmin(at: address)
                #expect(admin.address == address)
                let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/admin.sock")[.posixPermissions]
                #expect(mode as? Int == 0o600)
                #expect(try AnsweredList(try ask(address, "connections order=old")).workers.count == 2)
                let second = refusal { () throws(IOCPError) in _ = try server.port.serveAdmin(at: address) }
                #expect(second?.name == "EADDRINUSE" && second?.operation == .listenUnix)
                admin.close()
                admin.close()
                #expect(folder.isEmpty)
                let again = try server.port.serveAdmin(at: address)
                #expect(try ask(again.address, "connections order=old").last == "end")
                withExtendedLifetime(again) {}
            }
            try await eventually("its file is gone") { folder.isEmpty }
        }

        @Test("it ends with its port, and keeps no port", arguments: testedDrivers)
        func ends(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let address = try UnixAddress(path: folder.path + "/admin.sock")
            let server = try PlainEcho.server(driver)
            let endpoint = try server.port.serveAdmin(at: address)
            server.stop()
            try await server.wait()
            try await eventually("it has ended") { folder.isEmpty }
            endpoint.close()
        }

        @Test(
            "what is no request gets a line that says why",
            arguments: [
                ("", "there is no request"), ("status", "there is no request 'status'"), ("\u{1b}[2J", "there is no request '\\u{1b}"),
                ("connections order=best", "no order"), ("connections limit=0", "limit takes 1 to 1000"),
                ("connections limit=1001", "limit takes"), ("connections limit=x", "limit takes"),
                ("connections peer=example.com", "no address"), ("connections peer=10.0.0.0/33", "no address"),
                ("connections id=0", "names no connection"), ("connections id=xyz", "names no connection"),
                ("connections colour=red", "no setting of connections"), ("connections kill=2 id=1", "kill takes 0 to 1"),
                ("capture ring=65537", "power of two"), ("capture ring=1", "ring takes"), ("capture seconds=0", "seconds takes"),
                ("capture order=busy", "no setting of capture"),
            ])
        func refused(request: String, why: String) throws {
            let port = try CompletionPort()
            let address = try UnixAddress.forAdmin()
            let admin = try port.serveAdmin(at: address)
            let answer = try ask(address, request)
            #expect(answer.count == 1 && answer[0].hasPrefix("error: ") && answer[0].contains(why), "\(answer)")
            withExtendedLifetime(admin) {}
        }

        @Test("garbage, endless lines, silence and many clients leave it well")
        func hostile() throws {
            let port = try CompletionPort()
            let address = try UnixAddress.forAdmin()
            let admin = try port.serveAdmin(at: address)
            for bytes in [[UInt8](repeating: 65, count: 20_000), pattern(5_000), [0, 10], [255, 254, 10]] {
                let peer = try Peer.connect(unix: address)
                try? peer.send(bytes)
            }
            let silent = try (0..<40).map { _ in try Peer.connect(unix: address) }
            let partial = try Peer.connect(unix: address)
            try partial.send(Array("connec".utf8))
            // Workers that are not attached have nothing to tell, and say so at once.
            let answer = try AnsweredList(try ask(address, "connections order=old"))
            #expect(answer.workers.allSatisfy { $0["result"] != "ok" } && answer.connections.isEmpty)
            withExtendedLifetime((silent, partial, admin)) {}
        }

        @Test("a worker whose handler stalls is told of, and the other one answers", arguments: testedDrivers)
        func stalled(driver: Driver) async throws {
            let release = DispatchSemaphore(value: 0), isStalled = Locked(false)
            var behaviour = Behaviour()
            behaviour.posted = { (_: UInt64, _: Behaviour.Context?, _: Worker) throws(IOCPError) in
                isStalled.withLock { $0 = true }
                release.wait()
            }
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                try server.port.post(1, toWorker: 0)
                try await eventually("it stalls") { isStalled.withLock { $0 } }
                let list = try AnsweredList(try ask(address, "connections order=old"))
                release.signal()
                #expect(list.workers.map { $0["result"] } == ["ETIME", "ok"])
                try await eventually("it answers again") {
                    try AnsweredList(try ask(address, "connections order=old")).workers.allSatisfy { $0["result"] == "ok" }
                }
                admin.close()
            }
        }

        @Test("another user is refused, wherever it can connect", .enabled(if: geteuid() == 0, "only root becomes another user"))
        func strangers() throws {
            let port = try CompletionPort()
            let folder = try TemporaryFolder()
            let named = try UnixAddress.forAdmin(), filed = try UnixAddress(path: folder.path + "/admin.sock")
            let admins = [try port.serveAdmin(at: named), try port.serveAdmin(at: filed)]
            chmod(folder.path, 0o755)
            // The package's folder may be closed to others, so the command runs from a copy.
            let copy = try folder.copyOfCommand()
            for (address, why) in [(named, "user 65534 may not"), (filed, "closed to you")] {
                let stranger = try ChildProcess(
                    "/usr/bin/setpriv",
                    ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy, "connections", "--socket", "\(address)"])
                #expect(try stranger.end() == 1)
                #expect(stranger.text(of: .errors).contains(why), "\(stranger.text(of: .errors))")
                #expect(stranger.lines(of: .errors).count == 1 && stranger.text(of: .output).isEmpty)
            }
            withExtendedLifetime(admins) {}
        }
    }
}

extension TemporaryFolder {
    /// By another process: a file that is open for writing here would be so in whatever another test starts meanwhile, and could not be
    /// executed (ETXTBSY).
    fileprivate func copyOfCommand() throws -> String {
        let copy = path + "/iocp"
        let copier = try ChildProcess("/bin/cp", [try ChildProcess.buildDirectory() + "/iocp", copy])
        try #require(try copier.end() == 0)
        return copy
    }
}
