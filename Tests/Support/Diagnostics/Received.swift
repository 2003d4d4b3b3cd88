// Handlers whose `received` is not the one that is called. Each is refused, and told the signature that is due.
import IOCP

struct Forgotten: ConnectionHandler {}
// expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
// expected-error@-2 {{a ConnectionHandler has 'func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<State>) throws(IOCPError)'}}

struct ForgottenSpan: SpanHandler {}
// expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
// expected-error@-2 {{a SpanHandler has 'func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError)'}}

struct SpanWithoutSpanHandler: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{For a RawSpan conform to SpanHandler}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

struct LeaseInSpanHandler: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
    // expected-error@-2 {{For ReceivedBytes conform to ConnectionHandler}}
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {}
}

struct UntypedThrows: ConnectionHandler {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{throws(IOCPError)'}}
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws {}
}

struct ThrowsAnother: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
    // expected-error@-2 {{throws(IOCPError)'}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(FramingError) {}
}

struct IsAsync: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
    // expected-error@-2 {{a SpanHandler has 'func received}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) async throws(IOCPError) {}
}

struct OtherState: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
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

struct StateWithoutMaker: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
    // expected-error@-2 {{State is Void, or what makeState() returns}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Int>) throws(IOCPError) {}
}

struct WrongLabel: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
    // expected-error@-2 {{a SpanHandler has 'func received}}
    func received(_ bytes: RawSpan, from connection: IocpContext<Void>) throws(IOCPError) {}
}

struct Misspelt: SpanHandler {
    // expected-error@-1 {{does not conform to protocol 'SpanHandler'}}
    // expected-error@-2 {{a SpanHandler has 'func received}}
    func recieved(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

/// A span that would outlive the call.
struct KeepsTheSpan: SpanHandler {
    final class Shelf {
        var kept: [RawSpan] = []  // expected-error {{does not conform to protocol 'Escapable'}}
    }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}
