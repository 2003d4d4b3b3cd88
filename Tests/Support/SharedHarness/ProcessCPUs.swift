import Glibc

/// Gives the calling thread the CPUs that the process began with, by those of its first thread.
///
/// A thread of libdispatch's may have only one: it was created on the thread of a worker that is bound to it
/// (sched_setaffinity(2)). What a test starts from such a thread would have no more.
package func takeCPUsOfProcess() {
    typealias Call = @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> Int32
    // Not in Swift's Glibc: they are GNU's.
    guard let get = unsafe dlsym(nil, "sched_getaffinity"), let set = unsafe dlsym(nil, "sched_setaffinity") else { return }
    var cpus = [UInt64](repeating: 0, count: 16)
    unsafe cpus.withUnsafeMutableBytes { mask in
        let start = unsafe mask.baseAddress!
        guard unsafe unsafeBitCast(get, to: Call.self)(getpid(), mask.count, start) >= 0 else { return }
        _ = unsafe unsafeBitCast(set, to: Call.self)(0, mask.count, start)
    }
}
