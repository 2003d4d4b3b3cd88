// Handlers that say which methods they mean to have, and have other ones.
import IOCP

struct OpenedOfOtherState: ConnectionHandler, Handles.Opened {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{Handles.Opened has 'func opened(_ connection: IocpContext<State>) throws(IOCPError)'}}
    func makeState() -> String { "" }
    func opened(_ connection: IocpContext<Int>) throws(IOCPError) {}
    func received(_ bytes: RawSpan, on connection: IocpContext<String>) throws(IOCPError) {}
}

struct ClosedWithoutReason: ConnectionHandler, Handles.Closed {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{Handles.Closed has 'func closed(_ connection: IocpContext<State>, reason: CloseReason)'}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    mutating func closed(_ connection: IocpContext<Void>) {}
}

struct ClosedThatThrows: ConnectionHandler, Handles.Closed {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{Handles.Closed has 'func closed(_ connection: IocpContext<State>, reason: CloseReason)'}}
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {}
    func closed(_ connection: IocpContext<Void>, reason: CloseReason) throws(IOCPError) {}
}

struct StoppingWithoutConnections: ConnectionHandler, Handles.Stopping {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{Handles.Stopping has 'func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker)}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    func stopping(on worker: Worker) throws(IOCPError) {}
}

struct PostedObjectOfItsOwnType: ConnectionHandler, Handles.PostedObject {
    // expected-error@-1 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-2 {{Handles.PostedObject has 'func posted(object: any AnyObject & Sendable, to connection: }}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    func posted(object: String, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {}
}

struct Many:
    ConnectionHandler, Handles.Started, Handles.ConnectFailed, Handles.PeerFinished, Handles.Sent, Handles.UnsentFell,
    Handles.Writable, Handles.Posted, Handles.TimerFired, Handles.Failed, Handles.Stopped
{
    // expected-error@-4 {{does not conform to protocol 'ConnectionHandler'}}
    // expected-error@-5 {{Handles.Started has 'func started(on worker: Worker) throws(IOCPError)'}}
    // expected-error@-6 {{Handles.ConnectFailed has 'func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker)'}}
    // expected-error@-7 {{Handles.PeerFinished has 'func peerFinished(_ connection: IocpContext<State>) throws(IOCPError)'}}
    // expected-error@-8 {{Handles.Sent has 'func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>)}}
    // expected-error@-9 {{Handles.UnsentFell has 'func unsentFell(key: UInt64, error: IOCPError?, on connection: }}
    // expected-error@-10 {{Handles.Writable has 'func writable(_ connection: IocpContext<State>) throws(IOCPError)'}}
    // expected-error@-11 {{Handles.Posted has 'func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker:}}
    // expected-error@-12 {{Handles.TimerFired has 'func timerFired(key: UInt64, error: IOCPError?, connection: }}
    // expected-error@-13 {{Handles.Failed has 'func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker)'}}
    // expected-error@-14 {{Handles.Stopped has 'func stopped(on worker: Worker)'}}
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    func start(on worker: Worker) throws(IOCPError) {}
    func connectFailed(_ error: IOCPError, on worker: Worker) {}
    func peerFinished(_ connection: IocpContext<Void>) throws {}
    func sent(key: UInt64, on connection: IocpContext<Void>) throws(IOCPError) {}
    func unsentFell(key: Int, error: IOCPError?, on connection: IocpContext<Void>) throws(IOCPError) {}
    func writeable(_ connection: IocpContext<Void>) throws(IOCPError) {}
    func posted(_ value: Int, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {}
    func timerFired(key: UInt64, error: IOCPError?, on worker: Worker) throws(IOCPError) {}
    func failed(_ error: any Error, in method: String, on worker: Worker) {}
    func stopped() {}
}
