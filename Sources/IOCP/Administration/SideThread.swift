#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A thread beside the workers, for what may wait: it takes no signals, and has every CPU.
final class SideThread: Sendable {
    private let body: @Sendable () -> Void

    private init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }

    /// Starts a thread that nobody waits for.
    /// - Returns: 0, or the error number.
    static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
        var thread = pthread_t()
        var (all, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        // The application's signals are for its own threads. A thread inherits the mask.
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        Worker.unbindThread()
        let side = unsafe Unmanaged.passRetained(SideThread(body))
        let result = unsafe pthread_create(&thread, nil, enter, side.toOpaque())
        if result == 0 { pthread_detach(thread) } else { unsafe side.release() }
        return result
    }

    /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
    private static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { side in
        guard let side = unsafe side else { return nil }
        unsafe Unmanaged<SideThread>.fromOpaque(side).takeRetainedValue().body()
        return nil
    }
}
