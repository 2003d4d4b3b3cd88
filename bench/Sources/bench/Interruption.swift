import Glibc
import Synchronization

/// SIGINT and SIGTERM, turned into an error that unwinds through every running child.
enum Interruption {
    struct Received: Error {}

    private static let received = Atomic<Bool>(false)

    static func listen() {
        // Touched here first, because a lazily made global must not be made by a signal handler.
        received.store(false, ordering: .relaxed)
        // A child that has ended is noticed by what it no longer says.
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in Interruption.received.store(true, ordering: .relaxed) }
        }
    }

    static func check() throws {
        if received.load(ordering: .relaxed) { throw Received() }
    }
}
