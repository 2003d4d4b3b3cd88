#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The signals that `iocp top` answers, as bytes of a pipe: each byte is a signal's number. So one poll(2) waits for keys and
/// signals, and nothing is done in a handler.
///
/// Made before any other thread starts: threads inherit the mask.
final class TopSignals: Sendable {
    /// To be polled.
    let descriptor: Int32

    static let endings = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else {
            throw CommandFailure("no pipe for signals: \(unsafe String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        descriptor = ends[0]
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in TopSignals.endings + [SIGTSTP, SIGWINCH] { unsafe sigaddset(&set, number) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        let start = unsafe Unmanaged.passRetained(Watch(set, ends[1]))
        var thread = pthread_t()
        guard unsafe pthread_create(&thread, nil, Watch.enter, start.toOpaque()) == 0 else {
            unsafe start.release()
            unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
            throw CommandFailure("no thread for signals")
        }
        pthread_detach(thread)
    }

    /// The signals that came, oldest first; none if none did.
    func received() -> [Int32] {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return bytes.prefix(max(0, count)).map(Int32.init)
    }

    /// Ends the process as the signal does by default.
    static func die(by number: Int32) -> Never {
        _ = signal(number, SIG_DFL)
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, number)
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
        raise(number)
        exit(128 + number)
    }

    /// What the thread needs, handed through C.
    private final class Watch: Sendable {
        private let set: sigset_t
        private let pipe: Int32

        init(_ set: sigset_t, _ pipe: Int32) { (self.set, self.pipe) = (set, pipe) }

        /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
        static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { start in
            let watch = unsafe Unmanaged<Watch>.fromOpaque(start!).takeRetainedValue()
            var set = watch.set
            while true {
                var number: Int32 = 0
                guard unsafe sigwait(&set, &number) == 0 else { continue }
                var byte = UInt8(truncatingIfNeeded: number)
                // A full pipe has signals enough.
                _ = unsafe write(watch.pipe, &byte, 1)
            }
        }
    }
}
#endif
