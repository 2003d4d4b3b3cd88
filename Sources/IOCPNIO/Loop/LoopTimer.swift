#if NIO
import NIOCore
import Synchronization

/// A task of a loop that is due at a time.
final class LoopTimer: @unchecked Sendable {
    // @unchecked: `order`, `place` and the closures are the loop's thread's once the timer was handed to it.
    let deadline: NIODeadline
    /// Gone once it ran, failed or was cancelled: who holds the timer in what its closures hold would otherwise be held for ever.
    private var closures: (body: () -> Void, failure: (any Error) -> Void)?
    /// Set by whoever cancels, on any thread: from then on it does not run.
    let isCancelled = Atomic(false)
    /// Timers of one deadline run in the order in which they were scheduled.
    fileprivate(set) var order: UInt64 = 0
    /// Where it stands in the heap; -1: not there.
    fileprivate(set) var place = -1

    init(_ deadline: NIODeadline, _ body: @escaping () -> Void, orFail failure: @escaping (any Error) -> Void) {
        (self.deadline, closures) = (deadline, (body, failure))
    }

    func run() {
        let body = closures?.body
        closures = nil
        if !isCancelled.load(ordering: .acquiring) { body?() }
    }

    func fail(_ error: any Error) {
        let failure = closures?.failure
        closures = nil
        failure?(error)
    }

    /// It will not run.
    func drop() { closures = nil }

    fileprivate func precedes(_ other: LoopTimer) -> Bool {
        deadline == other.deadline ? order < other.order : deadline < other.deadline
    }
}

/// The timers of one loop, a binary heap whose members know their places: one that is cancelled leaves at once, where a
/// channel that restarts its idle timeout with each message would otherwise leave a dead timer behind each time.
///
/// - Complexity: O(log n) for each change, O(1) for the first.
struct LoopTimers {
    private var heap: [LoopTimer] = []
    private var scheduled: UInt64 = 0

    var first: NIODeadline? { heap.first?.deadline }
    var count: Int { heap.count }

    mutating func add(_ timer: LoopTimer) {
        timer.order = scheduled
        scheduled += 1
        timer.place = heap.count
        heap.append(timer)
        rise(from: timer.place)
    }

    /// Harmless for one that is not here.
    mutating func remove(_ timer: LoopTimer) {
        let place = timer.place
        guard place >= 0 else { return }
        timer.place = -1
        let last = heap.removeLast()
        guard last !== timer else { return }
        put(last, at: place)
        rise(from: place)
        sink(from: last.place)
    }

    /// The first timer, if it is due.
    mutating func take(dueAt now: NIODeadline) -> LoopTimer? {
        guard let timer = heap.first, timer.deadline <= now else { return nil }
        remove(timer)
        return timer
    }

    mutating func takeAll() -> [LoopTimer] {
        defer { heap = [] }
        for timer in heap { timer.place = -1 }
        return heap.sorted { $0.precedes($1) }
    }

    private mutating func put(_ timer: LoopTimer, at place: Int) {
        heap[place] = timer
        timer.place = place
    }

    private mutating func rise(from start: Int) {
        let timer = heap[start]
        var place = start
        while place > 0, timer.precedes(heap[(place - 1) / 2]) {
            put(heap[(place - 1) / 2], at: place)
            place = (place - 1) / 2
        }
        put(timer, at: place)
    }

    private mutating func sink(from start: Int) {
        let timer = heap[start]
        var place = start
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(timer) else { break }
            put(heap[child], at: place)
            place = child
        }
        put(timer, at: place)
    }
}
#endif
