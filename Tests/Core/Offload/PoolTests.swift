import CIOCPInternals
import Glibc
import SharedHarness
import Synchronization
import Testing

/// The pool alone: what is queued, refused, cancelled and dropped, and which of its threads runs what.
@Suite struct PoolTests {
    @Test func workComesBackDone() throws {
        let pool = Pool()
        #expect(pool.counts.threads == 0 && pool.take() == nil && !pool.has)
        let work = Work { 7 }
        try #require(pool.put(work) == 0)
        try wait("it is back") { pool.has }
        let back = try #require(pool.take())
        #expect(back === work && work.result == 7 && work.state == IOCP_OFFLOAD_DONE && work.thread != internals_thread_id())
        #expect(!pool.has && pool.take() == nil && pool.counts.depth == 0)
        #expect(pool.counts.threads == 1 && pool.counts.said_threads == 1 && pool.counts.wakes == 1)
    }

    @Test func theQueueIsBoundedAndRecovers() throws {
        let pool = Pool(threads: 2, queue: 3)
        let gate = Gate()
        let works = (0..<5).map { number in Work { gate.pass(); return number } }
        for work in works { #expect(pool.put(work) == 0) }
        #expect(pool.counts.busy == 2 && pool.counts.queued == 3)
        for _ in 0..<3 { #expect(pool.put(Work { -1 }) == -ENOBUFS) }
        #expect(pool.counts.depth == 5)
        gate.open()
        try wait("all are done") { pool.counts.busy == 0 }
        var back: Set<Int> = []
        while let work = pool.take() { back.insert(try #require(work.result)) }
        #expect(back == [0, 1, 2, 3, 4])
        #expect(pool.put(Work { 5 }) == 0)
        try wait("room again") { pool.take() != nil }
    }

    /// The queue is first come, first served, whoever asked.
    @Test func theQueueKeepsItsOrder() throws {
        let pool = Pool(threads: 1, queue: 100)
        let gate = Gate()
        let order = Mutex<[Int]>([])
        #expect(pool.put(Work { gate.pass(); return 0 }) == 0)
        for number in 1...40 {
            let work = Work { order.withLock { $0.append(number) }; return number }
            #expect(pool.put(work, inbox: UInt32(number % 4)) == 0)
        }
        gate.open()
        try wait("all are done") { pool.counts.busy == 0 }
        #expect(order.withLock { $0 } == Array(1...40))
    }

    /// Of those that are idle, the one that was so for the shortest time runs what comes; so the others end.
    @Test func theLatestIdleIsWokenAndTheOthersEnd() throws {
        let pool = Pool(threads: 4, queue: 4, idle: .milliseconds(300))
        var gates: [Gate] = []
        var threads: [pid_t] = []
        // Four at a time, which come to rest one after the other.
        let works = (0..<4).map { _ in
            let gate = Gate()
            gates.append(gate)
            return Work { gate.pass(); return 0 }
        }
        for work in works { #expect(pool.put(work) == 0) }
        for (index, gate) in gates.enumerated() {
            gate.open()
            try wait("it rests") { pool.counts.busy == UInt32(3 - index) }
            threads.append(works[index].thread)
        }
        #expect(Set(threads).count == 4 && pool.counts.threads == 4)
        // One piece of work after the other: the last to rest takes each, whatever the others were first at.
        let end = ContinuousClock.now + .seconds(10)
        var ran = 0
        while pool.counts.threads > 1, ContinuousClock.now < end {
            let work = Work { 1 }
            #expect(pool.put(work) == 0)
            try wait("it rests") { pool.counts.busy == 0 }
            #expect(work.thread == threads[3])
            ran += 1
        }
        #expect(pool.counts.threads == 1 && ran > 1)
        try wait("the last one ends, too") { pool.counts.threads == 0 }
        #expect(pool.counts.said_threads == 0)
        // And one is started again.
        let work = Work { 2 }
        #expect(pool.put(work) == 0)
        try wait("it is back") { pool.counts.busy == 0 }
        #expect(work.result == 2)
    }

    @Test func whatNobodyBeganWithIsCancelled() throws {
        let pool = Pool(threads: 1, queue: 10)
        let gate = Gate()
        let running = Work { gate.pass(); return 1 }
        let queued = (0..<5).map { number in Work { number } }
        #expect(pool.put(running) == 0)
        for work in queued { #expect(pool.put(work, inbox: 0) == 0) }
        let other = Work { 9 }
        #expect(pool.put(other, inbox: 1) == 0)
        // From the middle, the end and the beginning.
        for index in [2, 4, 0] {
            #expect(pool.cancel(queued[index]) == 0)
            #expect(pool.cancel(queued[index]) == -EALREADY)
            #expect(pool.take() === queued[index] && queued[index].state == IOCP_OFFLOAD_CANCELLED)
        }
        #expect(pool.cancel(running) == -EALREADY)
        #expect(pool.cancelAll() == 2 && pool.counts.queued == 1)
        #expect(pool.take() === queued[1] && pool.take() === queued[3] && pool.take() == nil)
        gate.open()
        try wait("the rest is done") { pool.counts.busy == 0 }
        #expect(pool.take() === running && running.result == 1 && pool.take(inbox: 1) === other && other.result == 9)
        #expect(queued.allSatisfy { $0.result == nil })
    }

    /// A worker closes: what waits and what is back is dropped at once, what runs when it ends; the page counts it until then.
    @Test func aWorkerThatClosesDropsItsOwn() throws {
        let pool = Pool(threads: 2, queue: 10)
        let gate = Gate()
        let back = Work { 0 }
        #expect(pool.put(back) == 0)
        try wait("it is back") { pool.has }
        let running = (0..<2).map { _ in Work { gate.pass(); return 1 } }
        let queued = Work { 2 }
        let other = Work { 3 }
        for work in running + [queued] { #expect(pool.put(work) == 0) }
        #expect(pool.put(other, inbox: 1) == 0)
        pool.leave()
        #expect(back.isDropped && queued.isDropped && queued.result == nil && !running[0].isDropped)
        #expect(pool.counts.said_depth == 2 && pool.counts.said_dropped == 2)
        gate.open()
        try wait("what ran is dropped") { running.allSatisfy { $0.isDropped } }
        try wait("all are done") { pool.counts.busy == 0 }
        #expect(pool.counts.said_depth == 0 && pool.counts.said_dropped == 4)
        #expect(pool.take(inbox: 1) === other && !other.isDropped)
        // The other workers' pool goes on; with the last of them the idle threads end.
        #expect(pool.counts.threads > 0)
        for inbox: UInt32 in 1..<4 { pool.leave(inbox: inbox) }
        pool.awaitIdle()
        #expect(pool.counts.threads == 0)
    }

    @Test func threadsRunEverywhereAndLeaveSignalsToOthers() throws {
        let pool = Pool()
        var all: UInt32 = 0
        let allowed = iocp_cpus_allowed(&all, 1)
        // As a worker that is bound asks.
        let work = elsewhere { () -> Work in
            #expect(internals_thread_bind(all) == 0)
            var mine: UInt32 = 0
            #expect(iocp_cpus_allowed(&mine, 1) == 1)
            let work = Work {
                var first: UInt32 = 0
                #expect(internals_thread_is_named("iocp/offload"))
                var blocked = sigset_t()
                pthread_sigmask(SIG_BLOCK, nil, &blocked)
                #expect(sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGPROF) == 1)
                #expect(sigismember(&blocked, SIGSEGV) == 0 && sigismember(&blocked, SIGTRAP) == 0)
                return Int(iocp_cpus_allowed(&first, 1))
            }
            var before = sigset_t(), after = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &before)
            #expect(pool.put(work) == 0)
            pthread_sigmask(SIG_BLOCK, nil, &after)
            #expect((1..<32).allSatisfy { sigismember(&before, $0) == sigismember(&after, $0) })
            return work
        }
        try wait("it is back") { pool.take() === work }
        #expect(work.result == Int(allowed))
    }

    /// Four owners, each with its inbox, hand over, cancel and take as they like: each piece comes back once, run or cancelled.
    @Test func aStormOfOwners() throws {
        let seed = Randomness.announced().seed
        let pool = Pool(threads: 3, queue: 64, idle: .microseconds(200))
        let each = 20_000
        let ran = Atomic(0)
        let failures = Mutex<[String]>([])
        onThreads(4) { inbox in
            var random = Randomness(seed: seed + UInt64(inbox))
            var known: [ObjectIdentifier: Work] = [:]
            var cancelled = 0, done = 0, given = 0
            while given < each || !known.isEmpty {
                if given < each {
                    let work = Work { ran.add(1, ordering: .relaxed); return 1 }
                    known[ObjectIdentifier(work)] = work
                    let result = pool.put(work, inbox: UInt32(inbox), isKept: false)
                    if result < 0 { known[ObjectIdentifier(work)] = nil }
                    if result == 0 {
                        given += 1
                        if random.happens(oneIn: 4) { _ = pool.cancel(work) }
                    } else if result != -ENOBUFS && result != -EAGAIN {
                        failures.withLock { $0.append("put answered \(result)") }
                    }
                }
                while let work = pool.take(inbox: UInt32(inbox)) {
                    if known.removeValue(forKey: ObjectIdentifier(work)) == nil {
                        failures.withLock { $0.append("back twice, or at another's") }
                    }
                    switch work.state {
                    case IOCP_OFFLOAD_DONE where work.result == 1: done += 1
                    case IOCP_OFFLOAD_CANCELLED where work.result == nil: cancelled += 1
                    default: failures.withLock { $0.append("back in state \(work.state)") }
                    }
                }
            }
            if done + cancelled != each { failures.withLock { $0.append("\(done) and \(cancelled)") } }
            if cancelled == 0 { failures.withLock { $0.append("none was cancelled") } }
        }
        #expect(failures.withLock { Array($0.prefix(5)) } == [])
        #expect(pool.counts.depth == 0 && pool.counts.queued == 0)
    }
}

// MARK: - What the tests are made of

/// One piece of work. Kept alive by the test.
final class Work: @unchecked Sendable {
    // @unchecked: written by the thread that runs it, read after it came back or was dropped.
    private let raw = UnsafeMutablePointer<iocp_offload>.allocate(capacity: 1)
    private let body: () -> Int
    private(set) var result: Int?
    private let dropped = Atomic(false)
    private let runner = Atomic<pid_t>(0)

    var isDropped: Bool { dropped.load(ordering: .acquiring) }
    var thread: pid_t { runner.load(ordering: .acquiring) }
    var state: iocp_offload_state { raw.pointee.state }
    var pointer: UnsafeMutablePointer<iocp_offload> { raw }

    init(_ body: @escaping () -> Int) {
        self.body = body
        raw.initialize(to: iocp_offload())
        raw.pointee.context = Unmanaged.passUnretained(self).toOpaque()
        raw.pointee.run = { raw in
            let work = Work.of(raw!)
            work.runner.store(internals_thread_id(), ordering: .releasing)
            work.result = work.body()
        }
        raw.pointee.drop = { raw in Work.of(raw!).dropped.store(true, ordering: .releasing) }
    }

    deinit { raw.deallocate() }

    static func of(_ raw: UnsafeMutablePointer<iocp_offload>) -> Work {
        Unmanaged<Work>.fromOpaque(raw.pointee.context!).takeUnretainedValue()
    }
}

private final class Pool: @unchecked Sendable {
    // @unchecked: the core's own functions; each inbox is one thread's.
    private let raw: OpaquePointer

    init(threads: UInt32 = 4, queue: UInt32 = 64, idle: Duration = .seconds(60)) {
        let (seconds, attoseconds) = idle.components
        raw = internals_pool_create(threads, queue, UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000))!
    }

    deinit { internals_pool_destroy(raw) }

    var counts: internals_pool_counts { internals_pool_count(raw) }
    var has: Bool { internals_pool_has(raw, 0) }
    /// What was handed over, until the pool has gone. The storm keeps its own, as an application does.
    private let kept = Mutex<[Work]>([])

    func put(_ work: Work, inbox: UInt32 = 0, isKept: Bool = true) -> Int32 {
        if isKept { kept.withLock { $0.append(work) } }
        return internals_pool_put(raw, inbox, work.pointer)
    }
    func cancel(_ work: Work) -> Int32 { internals_pool_cancel(raw, work.pointer) }
    func cancelAll(inbox: UInt32 = 0) -> UInt32 { internals_pool_cancel_all(raw, inbox) }
    func take(inbox: UInt32 = 0) -> Work? { internals_pool_take(raw, inbox).map(Work.of) }
    func leave(inbox: UInt32 = 0) { internals_pool_leave(raw, inbox) }
    func awaitIdle() { internals_pool_await_idle(raw) }
}

/// Where threads wait until it is opened.
private final class Gate: @unchecked Sendable {
    // @unchecked: a semaphore is any thread's.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }
    deinit { semaphore.deallocate() }

    func pass() {
        while sem_wait(semaphore) != 0 {}
        sem_post(semaphore)
    }
    func open() { sem_post(semaphore) }
}

/// Runs `body` on so many threads at a time, and waits for all.
private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Call {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
    let threads = (0..<count).map { index in
        var thread = pthread_t()
        let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
            Unmanaged<Call>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }
        precondition(pthread_create(&thread, nil, enter, Unmanaged.passRetained(Call { body(index) }).toOpaque()) == 0)
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}

/// Waits until a condition holds; fails after 10 s.
private func wait(_ what: String, _ condition: () -> Bool) throws {
    let end = ContinuousClock.now + .seconds(10)
    while !condition() {
        if ContinuousClock.now > end {
            Issue.record("not within 10 s: \(what)")
            throw CancellationError()
        }
        usleep(100)
    }
}
