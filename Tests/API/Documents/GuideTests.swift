import ChildProcesses
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// The service of docs/GUIDE.md in both its forms, run as they stand, with clients of every kind.
    @Suite(.timeLimit(.minutes(2))) struct GuideProgram {
        static let programs = ["GuideServer", "GuideAsync"]
        private static let greeting = "* vote NAME, total, quit\n"

        private func start(_ program: String) throws -> (process: ChildProcess, port: Int) {
            let process = try ChildProcess(program, ["0"])
            let line = try process.line(of: .output, beginning: "listening on 127.0.0.1:")
            return (process, try #require(Int(line.split(separator: ":").last!)))
        }

        private func expect(_ peer: Peer, _ text: String) throws {
            #expect(String(decoding: try peer.receive(text.utf8.count), as: UTF8.self) == text)
        }

        private func open(_ port: Int) throws -> Peer {
            let peer = try Peer.connect(port: port)
            try expect(peer, Self.greeting)
            return peer
        }

        @Test(arguments: programs) func itCountsVotesOfAllWorkersAndEndsAtASignal(program: String) throws {
            let (process, port) = try start(program)
            let peers = try (0..<40).map { _ in try open(port) }
            for (index, peer) in peers.enumerated() {
                try peer.send("vote a".utf8)  // one line in three pieces
                try peer.send("da\nvo".utf8)
                try peer.send("te ada\n".utf8)
                try expect(peer, "ada has \(2 * index + 1)\nada has \(2 * index + 2)\n")
            }
            try peers[0].send("total\nquit\ntotal\n".utf8)
            try expect(peers[0], "80\n")
            #expect(peers[0].end() == .finished)
            try peers[1].send("shout\n".utf8)
            try expect(peers[1], "! vote NAME, total, quit\n")
            process.signal(SIGTERM)
            for peer in peers.dropFirst() {
                try expect(peer, "* the poll is closed\n")
                #expect(peer.end() == .finished)
            }
            #expect(try process.end() == 0)
        }

        @Test(arguments: programs) func aClientThatBreaksTheRulesEndsAloneAndIsNamed(program: String) throws {
            let (process, port) = try start(program)
            let good = try open(port)
            for round in 0..<300 {
                let peer = try open(port)
                if round % 2 == 0 {
                    try peer.send(pattern(300).map { $0 == 10 ? 11 : $0 })  // a line that is too long
                } else {
                    peer.resetOnClose()
                    try peer.send("vote x".utf8)
                }
                if round == 0 { #expect(peer.end() == .reset) }
            }
            _ = try process.line(of: .output, beginning: "a voter was dropped: ")
            try good.send("vote bo\n".utf8)
            try expect(good, "bo has 1\n")
            process.signal(SIGTERM)
            try expect(good, "* the poll is closed\n")
            #expect(try process.end() == 0)
        }

        @Test(arguments: programs) func aPortThatIsTakenIsAnErrorOfOneLine(program: String) throws {
            let (process, port) = try start(program)
            let second = try ChildProcess(program, ["\(port)"])
            #expect(try second.end() == 1)
            #expect(second.lines(of: .output).count == 1)
            #expect(second.text(of: .output).hasPrefix("the poll ended: "))
            process.signal(SIGTERM)
            #expect(try process.end() == 0)
        }
    }

    /// The server of docs/GUIDE.zh-CN.md, run as it stands.
    @Suite(.timeLimit(.minutes(1))) struct EchoOfTheGuide {
        @Test func itEchoesCountsAndSaysGoodBye() throws {
            let process = try ChildProcess("GuideEcho", ["0"])
            let line = try process.line(of: .output, beginning: "listening on 127.0.0.1:")
            let peer = try Peer.connect(port: try #require(Int(line.split(separator: ":").last!)))
            for round in 1...3 {
                try peer.send("message \(round)".utf8)
                #expect(try peer.receive(9) == Array("message \(round)".utf8))
            }
            process.signal(SIGTERM)
            #expect(try peer.receive(21) == Array("bye after 3 messages\n".utf8))
            #expect(peer.end() == .finished)
            peer.finishSending()
            #expect(try process.end() == 0)
            #expect(process.text(of: .output).contains(" closes 1 connections\n"))
        }
    }
}
