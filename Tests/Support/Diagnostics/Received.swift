// Handlers whose `received` is not the one that is called. Each is refused, and told the signature that is due.
import IOCP

struct Forgotten: ConnectionHandler {}
// expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
// expected-error@-2 {{a handler has 'func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError)', or the same with 'consuming ReceivedBytes'}}

/// Which of the two would be called?
struct Both: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {}
}

struct AnArray: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{a handler has 'func received(_ bytes: RawSpan}}
    func received(_ bytes: [UInt8], on connection: IocpContext<Void>) throws(IOCPError) {}
}

struct UntypedThrows: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{throws(IOCPError)'}}
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws {}
}

struct ThrowsAnother: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{throws(IOCPError)'}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(FramingError) {}
}

struct IsAsync: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{a handler has 'func received}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) async throws(IOCPError) {}
}

struct OtherState: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{State is Void, or what makeState() returns}}
    func makeState() -> String { "" }
    func received(_ bytes: RawSpan, on connection: IocpContext<Int>) throws(IOCPError) {}
}

struct OtherDeclaredState: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{State is Void, or what makeState() returns}}
    typealias State = String
    func makeState() -> String { "" }
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Int>) throws(IOCPError) {}
}

struct StateWithoutMaker: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{State is Void, or what makeState() returns}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Int>) throws(IOCPError) {}
}

struct WrongLabel: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{a handler has 'func received}}
    func received(_ bytes: RawSpan, from connection: IocpContext<Void>) throws(IOCPError) {}
}

struct Misspelt: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{a handler has 'func received}}
    func recieved(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

/// A span that would outlive the call.
struct KeepsTheSpan: ConnectionHandler {
    final class Shelf {
        var kept: [RawSpan] = []  // expected-error {{does not conform to protocol 'Escapable'}}
    }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}
