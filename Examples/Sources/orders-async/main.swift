import IOCP
import IOCPService
import OrderService

await runService("orders-async") { settings, errors in
    try IOCPServer(
        settings.port, onError: errors.record,
        body: identified { worker, connection in
            connection.readsPastStop = .seconds(5)
            while var order = try await connection.readExactly(Order.byteCount) {
                // When the service stops, the next order is the last.
                let isLast = connection.isStopping
                order.append(Order.mark(isLast: isLast))
                try await connection.send(order)
                if isLast { return }
            }
        })
}
