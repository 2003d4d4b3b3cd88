import CIOCP

/// What tests look at between two waits: whether a body waits for what is there already. Thread: the worker's.
extension Worker {
    /// Tasks of bodies that have not ended.
    package var runningBodyCount: Int { bodies.running }

    /// Whether jobs are due: then the worker must not sleep.
    package var hasDueJobs: Bool { executor.hasJobs }

    /// Calls `body` with each connection of the bodies.
    package func withBodyConnections(_ body: (AsyncConnection) -> Void) { bodies.known.forEach(body) }
}

extension AsyncConnection {
    /// Whether a body waits to read.
    package var isReadWaiting: Bool { unsafe input.isReading || reading?.isWaiting == true }

    /// Whether a body waits until its peer has read more.
    package var isSendWaiting: Bool { writing?.isWaiting == true || flushes?.isWaiting == true }

    /// What is wrong whenever the worker looks for completions, or nil: a reader waits beside what it would be given, or
    /// receiving pauses with nothing held, so that no take will resume it.
    package var readFault: String? {
        if isReadWaiting && !isInputIdle { return "a reader waits beside held bytes, or behind the end of the input" }
        if unsafe input.isPaused && input.count == 0 { return "receiving pauses with nothing held" }
        return nil
    }

    /// What is wrong if the worker sleeps, or nil: a writer waits for room that is there, or for an answer that came.
    package var sendFault: String? {
        if writing?.isWaiting == true && !isPressed { return "a writer waits although its peer keeps up" }
        if flushes?.isOverdue == true { return "a flush waits behind its answer" }
        return nil
    }

    private var isInputIdle: Bool {
        guard case .open = unsafe input.end else { return false }
        return unsafe input.count == 0
    }
}
