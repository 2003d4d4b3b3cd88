import CIOCP

/// The part of a topic on one worker: its subscribers there, and the messages that wait for them.
///
/// The worker has it as a job, which is posted once until it has delivered everything.
@safe
final class TopicBranch: @unchecked Sendable {
    // @unchecked: what other threads touch is guarded by the topic's lock; the rest is the worker's alone.
    let topic: Topic
    let worker: UInt32
    private let port: CompletionPort
    private let job: UnsafeMutablePointer<iocp_job>

    // Guarded by the topic's lock.
    private var waiting = MessageQueue()
    private var firstSequence: UInt64 = 0
    /// The worker has the job, and with it a reference to this branch.
    private var hasJob = false
    private var place: Int?
    /// The worker stops: it takes no more messages.
    private var isClosed = false

    // The worker's thread only.
    var subscribers = TopicSubscribers()
    private var round = TopicRound()

    init(_ topic: Topic, _ worker: Worker) {
        (self.topic, self.worker, port) = (topic, UInt32(worker.index), worker.port)
        unsafe job = .allocate(capacity: 1)
        unsafe job.initialize(to: iocp_job())
        unsafe job.pointee.run = TopicBranch.run
        unsafe job.pointee.release = TopicBranch.release
        unsafe job.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        unsafe job.deallocate()
    }

    // MARK: - Under the topic's lock

    func hasRoom(for message: TopicMessage) -> Bool {
        isClosed || waiting.isEmpty
            || (waiting.count < topic.queueLimit && waiting.byteCount + message.bytes.count <= topic.queueByteLimit)
    }

    /// Sees to it that the worker will look for messages. Returns the core's answer.
    func callWorker() -> Int32 {
        if hasJob || isClosed { return 0 }
        let reference = unsafe Unmanaged.passRetained(self)
        let result = unsafe iocp_port_post_job(port.raw, worker, job)
        if result < 0 { unsafe reference.release() } else { hasJob = true }
        return result
    }

    func enqueue(_ message: TopicMessage, _ sequence: UInt64) {
        if isClosed { return }
        if waiting.isEmpty { firstSequence = sequence }
        waiting.append(message)
    }

    var mailboxIsFull: String { "the mailbox of worker \(worker) is full" }

    /// Nobody publishes to it any more; what waits is dropped.
    func unlist(from state: inout Topic.State) {
        waiting.removeAll()
        guard let place else { return }
        self.place = nil
        let last = state.branches.removeLast()
        guard last !== self else { return }
        state.branches[place] = last
        last.place = place
    }

    private func list(in state: inout Topic.State) {
        guard place == nil else { return }
        place = state.branches.count
        state.branches.append(self)
    }

    // MARK: - On the worker's thread

    /// The sequence number of the first message for a subscriber that comes now.
    func join() -> UInt64 {
        topic.changeSubscriberCount(by: 1)
        return topic.withLock { state in
            list(in: &state)
            return state.sequence
        }
    }

    func left(_ count: Int) {
        topic.changeSubscriberCount(by: -count)
        if subscribers.isEmpty { topic.withLock { unlist(from: &$0) } }
    }

    /// Begins the next round. Without one, the worker is done with the job.
    private func nextRound(_ worker: OpaquePointer) -> Bool {
        let stops = unsafe iocp_worker_is_stopping(worker)
        return topic.withLock { _ in
            if stops { isClosed = true }
            round.begin(takingFrom: &waiting, firstSequence)
            firstSequence += UInt64(round.count)
            hasJob = !round.isEmpty
            return hasJob
        }
    }

    /// A slice: visits at most `most` subscribers. Returns how many it visited, and whether more are to be.
    private func deliver(_ worker: OpaquePointer, most: Int) -> (visited: Int, goesOn: Bool) {
        var visited = 0
        if round.isEmpty, unsafe !nextRound(worker) { return (0, false) }
        while true {
            let slice = unsafe round.deliver(to: &subscribers, of: topic, worker, most: most - visited)
            visited += slice.visited
            topic.dropped(slice.dropped)
            if !slice.isEnd { return (visited, true) }
            if unsafe !nextRound(worker) { return (visited, false) }
            // The next round is for when this one was flushed.
            if visited > 0 { return (visited, true) }
        }
    }

    /// A connection can be sent to again: what waits for it goes first.
    func resume(_ index: Int, _ worker: OpaquePointer) {
        topic.dropped(unsafe subscribers.sendBacklog(at: index, of: topic, worker))
    }

    private static let run:
        @convention(c) (UnsafeMutablePointer<iocp_job>?, OpaquePointer?, UInt32, UnsafeMutablePointer<Bool>?) -> UInt32 =
            {
                job, worker, most, more in
                guard let context = unsafe job?.pointee.context, let worker = unsafe worker, let more = unsafe more
                else {
                    return 0
                }
                let reference = unsafe Unmanaged<TopicBranch>.fromOpaque(context)
                let slice = unsafe reference.takeUnretainedValue().deliver(worker, most: Int(most))
                unsafe more.pointee = slice.goesOn
                // Posted again, it has a reference of its own.
                if !slice.goesOn { unsafe reference.release() }
                return UInt32(slice.visited)
            }

    /// The worker has closed with messages undelivered. Its connections are gone.
    private static let release: @convention(c) (UnsafeMutableRawPointer?) -> Void = { job in
        guard let job = unsafe job?.assumingMemoryBound(to: iocp_job.self), let context = unsafe job.pointee.context
        else {
            return
        }
        let branch = unsafe Unmanaged<TopicBranch>.fromOpaque(context).takeRetainedValue()
        branch.topic.withLock { state in
            branch.hasJob = false
            branch.isClosed = true
            branch.unlist(from: &state)
        }
    }
}
