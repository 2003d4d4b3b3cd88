import Glibc
import IOCP
import Testing

// The examples in the comments of Sources/IOCP and in docs/GUIDE.md, line for line: `DocumentedCode` looks for each of them here.

private struct Player: Sendable {
    var room: Int?
}

/// The players of a room are on one worker, and need no lock.
private struct Rooms: ConnectionHandler, Handles.Migrated, Handles.Closed {
    private var players: [Connection: IocpContext<Player>] = [:]

    func makeState() -> Player { Player() }

    mutating func received(_ bytes: RawSpan, on player: IocpContext<Player>) throws(IOCPError) {
        if let room = player.state.room { return tell(room, bytes) }
        let room = Int(bytes.byte(at: 0))
        player.state.room = room
        players[player.connection] = player
        try gather(player, in: room)
    }

    /// A worker that has no room just now is asked again.
    private func gather(_ player: IocpContext<Player>, in room: Int) throws(IOCPError) {
        do throws(IOCPError) {
            try player.move(to: room % player.worker.port.workerCount)
        } catch {
            guard error.code == EAGAIN else { throw error }
            try player.worker.startTimer(after: .milliseconds(10), for: player.connection, key: UInt64(room))
        }
    }

    func timerFired(key: UInt64, error: IOCPError?, connection player: IocpContext<Player>?, on worker: Worker) throws(IOCPError) {
        if let player, error == nil { try gather(player, in: Int(key)) }
    }

    mutating func migrating(_ player: IocpContext<Player>, to worker: Int) {
        players[player.connection] = nil
    }

    mutating func migrated(_ player: IocpContext<Player>, from worker: Int) {
        players[player.connection] = player
    }

    mutating func closed(_ player: IocpContext<Player>, reason: CloseReason) {
        players[player.connection] = nil
    }

    private func tell(_ room: Int, _ bytes: RawSpan) {
        for player in players.values where player.state.room == room { try? player.send(bytes) }
    }
}

extension RealSockets {
    @Suite(.timeLimit(.minutes(1))) struct MovingExamples {
        @Test("the players of a room come together, and hear each other and nobody else", arguments: testedDrivers)
        func rooms(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 3
            let server = try IOCPServer(configuration) { _ in Rooms() }
            let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
            try await onThreads(1) { _ in
                let players = try (0..<24).map { _ in try Peer.connect(port: port) }
                for (index, player) in players.enumerated() { try player.send([UInt8(index % 4)]) }
                // One of each room speaks until everybody there has heard it: who is on the way yet does not.
                for (index, player) in players.enumerated() {
                    var heard: UInt8 = 0
                    while heard < 200 {
                        while !player.answers(within: .milliseconds(20)) {
                            try players[index % 4].send([UInt8(200 + index % 4)])
                        }
                        heard = try #require(try player.receive(1).first)
                        #expect(heard % 4 == index % 4)
                    }
                }
            }
            server.stop()
            try await server.wait()
        }
    }
}
