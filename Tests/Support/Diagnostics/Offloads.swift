// Work that takes along what belongs to its worker's thread.
import IOCP

struct TakesTheConnection: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload {
            try connection.send("done")
        } then: { _, _ in
        }
    }
}

struct TakesTheBytes: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload {
            bytes.byteCount
        } then: { _, _ in
        }
    }
}

struct TakesALease: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload {
            bytes.count
        } then: { _, _ in
        }
    }
}

let takesABodysConnection: ConnectionBody = { worker, connection in
    try await connection.offload { connection.close() }
}

struct GivesBackWhatIsNotSendable: ConnectionHandler {
    final class Table { var rows = 0 }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload { Table() } then: { _, _ in }
    }
}
