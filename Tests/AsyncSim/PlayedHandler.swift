import CIOCPInternals
import IOCP

/// Gives each connection to a body, and takes it back where the body hands it back.
struct PlayedHandler:
    ConnectionHandler, Handles.Opened, Handles.PeerFinished, Handles.Sent, Handles.Writable, Handles.Closed, Handles.Failed
{
    let play: Play
    private var ledger: PlayLedger { play.ledger }

    init(_ play: Play) { self.play = play }

    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        ledger.connections.begun += 1
        try serve(connection, unread: RawSpan())
    }

    private func serve(_ connection: IocpContext<Void>, unread: RawSpan) throws(IOCPError) {
        try connection.upgrade(unread: unread) { [play] worker, connection in
            try await play.serve(worker, connection)
        }
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        let record = ledger.record(connection.token)
        ledger.expect(!record.isServedByBody, "the handler was given a body's bytes", record.token)
        if play.dice.happens(oneIn: 2) && !connection.isClosing { return try serve(connection, unread: bytes) }
        ledger.read(bytes.withUnsafeBytes { [UInt8]($0) }, of: record)
        if play.dice.happens(oneIn: 4) { connection.close() }
    }

    func peerFinished(_ connection: IocpContext<Void>) throws(IOCPError) {
        let record = ledger.record(connection.token)
        ledger.expect(!record.isServedByBody, "the handler was told a body's FIN", record.token)
        connection.close()
    }

    func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<Void>) throws(IOCPError) {
        ledger.violated("the handler was told of a flush that it did not ask for", connection.token)
    }

    func writable(_ connection: IocpContext<Void>) throws(IOCPError) {
        ledger.expect(
            !ledger.record(connection.token).isServedByBody, "the handler was told what a body waits for", connection.token)
    }

    func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        ledger.connections.ended += 1
        ledger.closed(connection.token, "\(reason)")
    }

    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {
        // What a body threw whose connection had closed already.
        ledger.expect(method == .body, "a method of the handler failed: \(error)")
    }
}
