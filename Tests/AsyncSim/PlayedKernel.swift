import CIOCPInternals
import Glibc

/// The simulated kernel of one play, and what it tells the play.
final class PlayedKernel {
    /// Told of each wait when it begins, and at times while it lasts.
    protocol Audience: AnyObject {
        var ledger: PlayLedger { get }
        func waits(for timeout: UInt64)
        func meanwhile()
        func traced(_ line: @autoclosure () -> String)
    }

    let sim: OpaquePointer

    init(seed: UInt64, wholeBuffers: Bool, traces: Bool, _ audience: any Audience) {
        var observer = iocp_sim_observer()
        observer.context = Unmanaged.passRetained(Ear(audience)).toOpaque()
        ear = observer.context
        observer.violated = { context, rule, what, token in
            let seed = Ear.of(context).ledger.seed
            say("seed \(seed): the core broke \(String(cString: rule!)): \(String(cString: what!))")
        }
        observer.named = { context, token, stream in Ear.of(context).ledger.named(token, stream) }
        observer.taken = { context, token, bytes, count in
            Ear.of(context).ledger.taken(token, UnsafeBufferPointer(start: bytes, count: Int(count)))
        }
        observer.broke = { context, token in Ear.of(context).ledger.record(token).broke = true }
        observer.failed = { context, operation, error in
            if strcmp(operation!, "wait") == 0 && error != EINTR { Ear.of(context).ledger.collapsed = true }
        }
        observer.met = { context, stream, _, byteCount, _ in
            Ear.of(context).ledger.met(stream, byteCount!.pointee)
            return false
        }
        observer.meanwhile = { context in Ear.of(context).meanwhile() }
        observer.waits = { context, timeout in Ear.of(context).waits(for: timeout) }
        if traces { observer.trace = { context, line in Ear.of(context).traced(String(cString: line!)) } }
        sim = iocp_sim_create(seed, wholeBuffers, &observer)
        iocp_sim_use(sim)
    }

    private let ear: UnsafeMutableRawPointer?

    deinit {
        iocp_sim_use(nil)
        iocp_sim_destroy(sim)
        if let ear { Unmanaged<Ear>.fromOpaque(ear).release() }
    }

    var now: UInt64 { iocp_sim_now_ns(sim) }

    private final class Ear {
        unowned let audience: any Audience
        init(_ audience: any Audience) { self.audience = audience }

        static func of(_ context: UnsafeMutableRawPointer?) -> any Audience {
            Unmanaged<Ear>.fromOpaque(context!).takeUnretainedValue().audience
        }
    }
}

/// One line to the standard error, at once: the process may trap behind it.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}
