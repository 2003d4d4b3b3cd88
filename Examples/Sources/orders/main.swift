import IOCP
import IOCPService
import OrderService

/// Answers orders. When the service stops, the next order of each connection is its last.
struct Orders: ConnectionHandler, Handles.Stopping, Handles.Closed, Handles.Failed {
    struct Client {
        var frames = FrameBuffer(FixedSize(Order.byteCount))
        var isLast = false
    }

    let errors: ErrorLog

    func makeState() -> Client { Client() }

    func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        while let order = try client.state.frames.next(in: &input) {
            let isLast = client.state.isLast
            let number = order.bytes.bigEndian(UInt64.self, at: 0)
            try client.send(capacity: Order.byteCount + 1) { output in  // written where it leaves from
                output.append(bigEndian: number)
                output.append(Order.mark(isLast: isLast))
            }
            if isLast { return client.close() }
        }
    }

    func stopping(_ connections: borrowing ConnectionPool<Client>, on worker: Worker) throws(IOCPError) {
        connections.forEach { client in
            client.state.isLast = true
            try? client.setOutlastsStop(true)
        }
    }

    func closed(_ client: IocpContext<Client>, reason: CloseReason) {
        if case .handlerThrew(let error) = reason { errors.record(error) }
    }

    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) { errors.record(error, in: method) }
}

await runService("orders") { settings, errors in
    try IOCPServer(settings.port) { _ in Orders(errors: errors) }
}
