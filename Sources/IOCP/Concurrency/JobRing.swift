/// Jobs that wait, first in, first out. Grows by doubling, so that putting one in is O(1), amortised, and a steady state
/// allocates nothing.
@safe
struct JobRing: ~Copyable {
    private var start: UnsafeMutablePointer<UnownedJob>
    private var mask: Int
    private var head = 0
    private(set) var count = 0

    private static let leastCapacity = 64

    init() {
        unsafe start = .allocate(capacity: JobRing.leastCapacity)
        mask = JobRing.leastCapacity - 1
    }

    deinit { unsafe start.deallocate() }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ job: UnownedJob) {
        if count > mask { grow() }
        unsafe (start + ((head + count) & mask)).initialize(to: job)
        count += 1
    }

    mutating func popFirst() -> UnownedJob? {
        if count == 0 { return nil }
        let job = unsafe start[head]
        head = (head + 1) & mask
        count -= 1
        return job
    }

    /// Moves everything that the other one holds behind what is here.
    mutating func take(all other: inout JobRing) {
        if isEmpty {
            swap(&self, &other)
        } else {
            while let job = other.popFirst() { append(job) }
        }
    }

    private mutating func grow() {
        let capacity = mask + 1
        let larger = UnsafeMutablePointer<UnownedJob>.allocate(capacity: capacity * 2)
        for index in 0..<count { unsafe (larger + index).initialize(to: start[(head + index) & mask]) }
        unsafe start.deallocate()
        unsafe start = larger
        mask = capacity * 2 - 1
        head = 0
    }
}
