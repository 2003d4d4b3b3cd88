// What the compiler does not see: a method that has a default, under another name or signature, in a handler that does not
// say that it means to have it. Should a later compiler warn of one, this file has to be changed, and the documentation of
// ConnectionHandler.
import IOCP

struct Unchecked: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    func opened(_ connection: IocpContext<Int>) throws(IOCPError) {}
    func closed(_ connection: IocpContext<Void>) {}
    func postd(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {}
    func stopping(on worker: Worker) throws(IOCPError) {}
}
