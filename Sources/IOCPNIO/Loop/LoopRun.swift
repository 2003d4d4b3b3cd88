#if NIO
import Glibc
import IOCP
import NIOCore

/// What a loop does on its thread, from its start to its end.
extension IOCPEventLoop {
    /// Completions of one wait.
    private static let batchCapacity = 1024
    /// Tasks that run before completions are looked at again.
    private static let turn = 1024

    func run() {
        var batch = CompletionBatch(capacity: Self.batchCapacity)
        while let worker = state.worker {
            do {
                let pause = state.hasServices ? .zero : tasks.pause(at: NIODeadline.now)
                let count = try worker.wait(into: &batch, timeout: pause)
                take(&batch, count)
            } catch {
                if error.code != ECANCELED { LoopState.complain("an event loop ended: \(error)") }
                break
            }
            state.serveAll()
            runTurn()
        }
        end()
    }

    private func runTurn() {
        for _ in 0..<tasks.beginTurn(at: NIODeadline.now, atMost: Self.turn) {
            guard let task = tasks.next() else { break }
            run(task)
        }
    }

    func run(_ task: LoopTask) {
        switch task {
        case .function(let function): function()
        case .job(let job): unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        case .timer, .forget: break  // never in the queue of what runs
        }
    }

    // MARK: - Completions

    private func take(_ batch: inout CompletionBatch, _ count: Int) {
        /// The channel that read last, and is to be told once a completion of another connection follows.
        var reader: StreamChannel?
        for index in 0..<count {
            let completion = batch[index]
            guard let connection = completion.connection else {
                if case .stopping = completion.event { closeAll() }
                continue
            }
            guard let channel = state.channel(of: connection) else {
                if case .opened = completion.event { accept(connection, completion.listener) }
                continue
            }
            if reader !== channel {
                reader?.completeReads()
                reader = nil
            }
            if let bytes = batch.takeBytes(at: index) {
                channel.received(bytes)
                reader = channel
            } else {
                channel.handle(completion.event, key: completion.key)
            }
        }
        reader?.completeReads()
    }

    /// A client of one of the group's listeners. What arrives before its channel is active waits in the channel.
    private func accept(_ connection: Connection, _ listener: Listener.ID?) {
        guard let worker = state.worker else { return }
        guard let listener, let server = state.group.server(of: listener) else { return worker.abort(connection) }
        let channel = StreamChannel(on: self, accepted: connection, by: server)
        state.enter(channel, as: connection)
        server.eventLoop.execute { server.accepted(channel) }
    }

    // MARK: - The end

    func closeAll() {
        for server in state.servers.values {
            server.close0(error: EventLoopError.shutdown, mode: .all, promise: nil)
        }
        state.forEachChannel { $0.close0(error: EventLoopError.shutdown, mode: .all, promise: nil) }
    }

    /// The worker has delivered everything, or has failed. Closing what is left may add tasks, whose tasks may add more.
    private func end() {
        closeAll()
        var rounds = 0
        repeat {
            while let task = tasks.next() { run(task) }
            for timer in tasks.takeTimers() { timer.fail(EventLoopError.shutdown) }
            rounds += 1
        } while tasks.hasWork && rounds < 1000
        tasks.close()
        while let task = tasks.next() { run(task) }
        for timer in tasks.takeTimers() { timer.fail(EventLoopError.shutdown) }
        state.end()
    }
}
#endif
