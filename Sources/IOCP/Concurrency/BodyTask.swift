/// The task of a connection's body.
struct BodyTask {
    var task: Task<Void, Never>?
    /// The bits of the task's reference: a name, never followed.
    private var identity: UInt = 0

    /// Whether the body itself calls, and not a task that it made. Only the connection's end cancels it.
    @inline(__always)
    var isCurrent: Bool { BodyTask.current == identity && identity != 0 }

    /// Read as bits: the type's layout is not known here, so that to copy and to compare it was 2 % of a busy worker.
    @inline(__always)
    private static var current: UInt {
        unsafe withUnsafeCurrentTask { task in
            unsafe withUnsafeBytes(of: task) { bits in
                unsafe bits.count == MemoryLayout<UInt>.size ? bits.load(as: UInt.self) : 0
            }
        }
    }

    mutating func begin() { identity = BodyTask.current }

    func cancel() { task?.cancel() }

    mutating func end() {
        task = nil
        identity = 0
    }
}
