import CIOCP

/// What the connections of one worker are subscribed to, by their tokens of this worker. Thread: the worker's.
@safe
@usableFromInline
final class WorkerTopics {
    private var branches: [ObjectIdentifier: TopicBranch] = [:]
    /// By slot: in which topics a connection is.
    private var memberships: [Int: [TopicBranch]] = [:]
    /// False for most workers; then nothing here costs more than this look.
    @usableFromInline private(set) var isActive = false

    private let raw: OpaquePointer

    init(_ worker: OpaquePointer) {
        unsafe raw = worker
    }

    /// A subscriber stays with its worker.
    private func keep(_ connection: Connection, _ keeps: Bool) {
        _ = unsafe iocp_connection_keep(raw, connection.token, keeps)
    }

    /// - Parameter name: what publishers know the connection by.
    func subscribe(_ connection: Connection, named name: Connection, to topic: Topic, on worker: Worker) {
        let branch = branches[ObjectIdentifier(topic)] ?? TopicBranch(topic, worker)
        guard branch.subscribers.index(of: connection) == nil else { return }
        branches[ObjectIdentifier(topic)] = branch
        let membership = memberships[connection.slot, default: []].count
        memberships[connection.slot, default: []].append(branch)
        branch.subscribers.add(connection, named: name, from: branch.join(), membership: membership)
        isActive = true
        if membership == 0 { keep(connection, true) }
    }

    /// Whether a connection is subscribed to anything.
    func holds(_ connection: Connection) -> Bool { memberships[connection.slot] != nil }

    func unsubscribe(_ connection: Connection, from topic: Topic) {
        guard let branch = branches[ObjectIdentifier(topic)],
            let index = branch.subscribers.index(of: connection)
        else { return }
        let membership = branch.subscribers[index].membership
        let last = memberships[connection.slot]!.removeLast()
        if last !== branch {
            // The last of the connection's topics takes the place that is free.
            memberships[connection.slot]![membership] = last
            last.subscribers[last.subscribers.index(of: connection)!].membership = membership
        }
        if memberships[connection.slot]!.isEmpty {
            memberships[connection.slot] = nil
            keep(connection, false)
        }
        leave(branch, at: index)
    }

    private func leave(_ branch: TopicBranch, at index: Int) {
        branch.subscribers.remove(at: index)
        branch.left(1)
        if branch.subscribers.isEmpty { branches[ObjectIdentifier(branch.topic)] = nil }
        isActive = !memberships.isEmpty
    }

    /// The number of messages that a connection did without; 0 where it is not subscribed.
    func missedCount(of connection: Connection, in topic: Topic) -> Int {
        guard let branch = branches[ObjectIdentifier(topic)],
            let index = branch.subscribers.index(of: connection)
        else { return 0 }
        return branch.subscribers[index].missedCount
    }

    /// A batch came. Before anybody acts on it: connections that have closed leave, and those that are writable get what
    /// waits for them.
    @usableFromInline
    func look(at records: UnsafePointer<iocp_completion>, count: Int, on worker: OpaquePointer) {
        for index in 0..<count {
            switch unsafe records[index].kind {
            case IOCP_COMPLETION_CLOSED: closed(Connection(token: unsafe records[index].connection))
            case IOCP_COMPLETION_WRITABLE: unsafe resume(Connection(token: records[index].connection), on: worker)
            default: break
            }
        }
    }

    private func closed(_ connection: Connection) {
        guard let joined = memberships.removeValue(forKey: connection.slot) else { return }
        for branch in joined {
            if let index = branch.subscribers.index(of: connection) { leave(branch, at: index) }
        }
    }

    private func resume(_ connection: Connection, on worker: OpaquePointer) {
        for branch in memberships[connection.slot] ?? [] {
            if let index = branch.subscribers.index(of: connection) { unsafe branch.resume(index, worker) }
        }
    }

    /// The worker ends; connections that are left get no completion.
    func leaveAll() {
        for branch in branches.values {
            let count = branch.subscribers.count
            branch.subscribers = TopicSubscribers()
            branch.left(count)
        }
        branches = [:]
        memberships = [:]
        isActive = false
    }
}
