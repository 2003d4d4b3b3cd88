import CIOCP

/// What other threads hand to a worker, beside numbers: objects, and bytes to send.
extension CompletionPort {
    /// Posts an object to a worker: delivered exactly once, or refused here.
    ///
    /// A handler gets it as ``ConnectionHandler/posted(object:to:on:)``; a loop of your own as a `postedObject`
    /// completion, whose object ``CompletionBatch/takeObject(at:)`` hands out. The post holds one reference. It is given up
    /// where the object is taken or its batch goes, when the worker ends before the post arrives, and before this call
    /// throws. Posts and sends of one thread to one worker arrive in the order of its calls, numbers and objects alike.
    ///
    /// ```swift
    /// try port.post(Order(symbol: "XYZ", count: 100), toWorker: 1)
    /// ```
    /// O(1), lock-free; wakes the worker only if it sleeps.
    /// - Throws: as ``post(_:toWorker:)-(UInt64,_)``.
    public func post(_ object: some AnyObject & Sendable, toWorker worker: Int) throws(IOCPError) {
        try post(object, connection: 0, worker: try workerIndex(worker, .post))
    }

    /// Posts an object to the worker of a connection. If that has closed when the post arrives, a handler gets the object
    /// with nil in the connection's place.
    public func post(_ object: some AnyObject & Sendable, to connection: Connection) throws(IOCPError) {
        try post(object, connection: connection.token, worker: iocp_token_worker(connection.token))
    }

    private func post(_ object: AnyObject, connection: iocp_token, worker: UInt32) throws(IOCPError) {
        try check(postLetter(IOCP_LETTER_REFERENCE, holding: object, to: connection, worker: worker), .post)
    }

    /// Posts a letter that holds a reference to an object, for whoever receives it. A letter that is refused holds none.
    /// - Returns: the core's answer: 0, or what refused it.
    func postLetter(
        _ kind: iocp_letter_kind, holding object: AnyObject, value: UInt64 = 0, to connection: iocp_token = 0,
        worker: UInt32
    ) -> Int32 {
        let reference = unsafe Unmanaged.passRetained(object)
        var letter = unsafe iocp_letter(
            connection: connection, value: value, reference: reference.toOpaque(),
            release: { pointer in
                guard let pointer = unsafe pointer else { return }
                unsafe Unmanaged<AnyObject>.fromOpaque(pointer).release()
            }, kind: kind)
        let result = unsafe iocp_port_post_letter(raw, worker, &letter)
        if result < 0 { unsafe reference.release() }
        return result
    }

    /// Sends bytes on a connection from any thread, by one letter to its worker. No handler takes part, and nothing tells
    /// of the end: to know more, post to the worker and send there.
    ///
    /// The worker queues them by reference when it takes the letter out, as ``ConnectionContext/send(_:)-(SharedBytes)``. At the
    /// connection's cap ``PortConfiguration/overflowPolicy`` applies. Where the connection is gone by then, or refuses
    /// them, the bytes are dropped and ``WorkerStats/droppedSends`` counts one. What one thread sends and posts to one
    /// worker arrives in the order of its calls.
    ///
    /// ```swift
    /// let bytes = try SharedBytes([UInt8]("tick\n".utf8))
    /// try port.send(bytes, to: connection)
    /// ```
    /// O(1), lock-free; wakes the worker only if it sleeps.
    /// - Throws: as ``post(_:to:)-(UInt64,_)``. Then the worker will not send them.
    public func send(_ bytes: SharedBytes, to connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_port_send(raw, connection.token, bytes.raw), .post)
    }
}

/// The object of a post, on its way through the core as a pointer.
@usableFromInline
enum PostedObject {
    /// Whether a post is of an object.
    static func isObject(_ posted: iocp_completion) -> Bool {
        unsafe posted.detail == UInt16(IOCP_LETTER_REFERENCE.rawValue)
    }

    /// Whether a record of any kind has an object that nobody took.
    static func isOne(_ record: iocp_completion) -> Bool {
        unsafe record.kind == IOCP_COMPLETION_POSTED && isObject(record) && record.bytes != nil
    }

    /// Takes over the reference of a record for which ``isOne(_:)`` is true: once.
    @usableFromInline
    static func take(from record: iocp_completion) -> any AnyObject & Sendable {
        guard let pointer = unsafe record.bytes else { preconditionFailure("a post without its object") }
        let object = unsafe Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue()
        // Only `post` makes such letters, of objects that are Sendable, which has no representation at run time.
        return unsafe unsafeBitCast(object, to: (any AnyObject & Sendable).self)
    }
}
