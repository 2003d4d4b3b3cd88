import IOCP
import Testing

extension RealSockets {
    /// What async bodies do and are told, on both drivers.
    @Suite struct Async {}
}

/// A server each of whose connections is served by a body, with the checks of every test's server: nothing is held at the end.
func withBodies(
    _ driver: Driver, _ change: (inout PortConfiguration) -> Void = { _ in }, drainingFor drain: Duration = .zero,
    sourceLocation: SourceLocation = #_sourceLocation, body: @escaping ConnectionBody,
    use: (AuditedServer, Int, Ledger) async throws -> Void
) async throws {
    var behaviour = Behaviour()
    behaviour.opened = { connection throws(IOCPError) in try connection.upgrade(to: body) }
    behaviour.received = { _, _ throws(IOCPError) in Issue.record("the handler was given a body's bytes") }
    try await withServer(
        driver,
        { configuration in
            configuration.deliversHalfClose = true
            change(&configuration)
        }, behaviour, drainingFor: drain, sourceLocation: sourceLocation, body: use)
}

/// What bodies report to their test.
final class BodyNotes<Note: Sendable>: Sendable {
    private let notes = Locked<[Note]>([])
    var all: [Note] { notes.withLock { $0 } }
    func add(_ note: Note) { notes.withLock { $0.append(note) } }
}

/// The error of an await, or nil when it has none.
nonisolated(nonsending) func failure(of call: nonisolated(nonsending) () async throws -> Void) async -> IOCPError? {
    do {
        try await call()
        return nil
    } catch {
        return IOCPError(wrapping: error)
    }
}
