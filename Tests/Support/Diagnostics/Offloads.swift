// Work that takes along what belongs to its worker's thread. (Lent bytes cannot leave their call either; that is found by a
// later step of the compiler, which does not begin where these errors are.)
import IOCP

struct TakesTheConnection: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload {
            try connection.send("done")  // expected-error {{capture of 'connection' with non-Sendable type 'IocpContext<Void>'}}
        } then: { _, _ in
        }
    }
}

struct TakesALease: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload {
            bytes.count
            // expected-error@-1 {{capture of 'bytes' with non-Sendable type 'ReceivedBytes'}}
            // expected-error@-2 {{reference to captured parameter 'bytes' in concurrently-executing code}}
        } then: { _, _ in
        }
    }
}

let takesABodysConnection: ConnectionBody = { worker, connection in
    try await connection.offload { connection.close() }
    // expected-error@-1 {{capture of 'connection' with non-Sendable type 'AsyncConnection'}}
}

struct GivesBackWhatIsNotSendable: ConnectionHandler {
    final class Table { var rows = 0 }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.offload { Table() } then: { _, _ in }
        // expected-error@-1 {{'GivesBackWhatIsNotSendable.Table' does not conform to the 'Sendable' protocol}}
    }
}
