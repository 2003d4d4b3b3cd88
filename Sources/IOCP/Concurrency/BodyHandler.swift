/// The handler of a server whose connections are all served by one body: see ``IOCPServer/run(_:host:port:options:drainingFor:onError:onListening:body:)``.
public struct BodyHandler: ConnectionHandler, Sendable, Handles.Started, Handles.Opened, Handles.Closed, Handles.Failed {
    private let body: ConnectionBody
    private let onError: (@Sendable (BodyError) -> Void)?

    /// - Parameter onError: told what bodies throw, on a worker's thread.
    public init(onError: (@Sendable (BodyError) -> Void)? = nil, body: @escaping ConnectionBody) {
        self.body = body
        self.onError = onError
    }

    public func started(on worker: Worker) throws(IOCPError) { worker.bodies.onError = onError }

    public func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        try connection.handOver(isReturnable: false, to: body)
    }

    public func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}

    /// Errors of bodies were told when they were thrown. Only a closure's error comes here.
    public func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        if case .handlerThrew(let error) = reason { onError?(BodyError(error, of: connection)) }
    }

    public func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) { onError?(BodyError(error)) }
}
