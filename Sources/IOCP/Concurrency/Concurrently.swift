extension WorkerActor {
    /// Does two things at a time on the worker's thread, and returns when both have ended. Both may use the connections of the
    /// body that calls: one direction each, as a relay does.
    ///
    /// ```swift
    /// try await worker.concurrently {
    ///     while let bytes = try await client.next() { try await server.send(bytes) }
    ///     try server.finishSending()
    /// } and: {
    ///     while let bytes = try await server.next() { try await client.send(bytes) }
    ///     try client.finishSending()
    /// }
    /// ```
    /// An error of one cancels the other, and is thrown once that has ended, too. If the task is cancelled, both are.
    /// - Throws: the first error.
    @discardableResult
    public func concurrently<One, Other>(
        _ one: nonisolated(nonsending) @escaping () async throws -> One,
        and other: nonisolated(nonsending) @escaping () async throws -> Other
    ) async throws -> (One, Other) {
        let pair = Pair<One, Other>()
        let first = Unchecked(value: one)
        let second = Unchecked(value: other)
        // By the preference they begin on the worker's thread at once, and not on one of the pool's, which would hand them over.
        pair.one = Task(executorPreference: executor) {
            _ = self
            return try await pair.watching(first.value)
        }
        pair.other = Task(executorPreference: executor) {
            _ = self
            return try await pair.watching(second.value)
        }
        return try await withTaskCancellationHandler {
            try await pair.results(on: self)
        } onCancel: {
            pair.cancel()
        }
    }
}

/// What stays on the worker's thread, though a task has it.
private struct Unchecked<Value>: @unchecked Sendable { let value: Value }

/// Two tasks of which the first to fail cancels the other.
private final class Pair<One, Other>: @unchecked Sendable {
    // @unchecked: the tasks are set before anybody else has the pair, and `failure` belongs to the worker's thread.
    var one: Task<Unchecked<One>, any Error>!
    var other: Task<Unchecked<Other>, any Error>!
    private var failure: (any Error)?

    func cancel() {
        one.cancel()
        other.cancel()
    }

    nonisolated(nonsending) func watching<Value>(
        _ body: nonisolated(nonsending) () async throws -> Value
    ) async throws -> Unchecked<Value> {
        do {
            return Unchecked(value: try await body())
        } catch {
            if failure == nil {
                failure = error
                cancel()
            }
            throw error
        }
    }

    func results(on worker: isolated WorkerActor) async throws -> (One, Other) {
        let first = await one.result
        let second = await other.result
        if let failure { throw failure }
        return (try first.get().value, try second.get().value)
    }
}
