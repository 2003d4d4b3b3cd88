import CIOCPInternals
import Glibc
import IOCP
import SharedHarness

/// One play: a port with one worker on the simulated kernel, whose connections are served by bodies that do what the dice say.
/// Everything happens on one thread, so that a seed plays again; other threads cancel tasks, one at a time, while the worker
/// waits for them.
final class Play: PlayedKernel.Audience, @unchecked Sendable {
    // @unchecked: used on the worker's thread, or on one that the worker's waits for.
    let ledger: PlayLedger
    var dice: Randomness
    let traces: Bool
    private(set) var kernel: PlayedKernel!
    private var port: CompletionPort?
    private weak var worker: Worker?
    /// Tasks beside bodies that have not ended, by their numbers. Somebody may cancel them.
    var readers: [Int: Task<Void, any Error>] = [:]

    // How it ends.
    private let waitsUntilEnd: Int
    private let clears: Bool
    private var clearedAt: UInt64?
    private var waitCount = 0
    /// Of everything that happened, to see that a seed plays again.
    private(set) var digest: UInt64 = 0

    /// How long, in clear weather, nothing may move of a connection whose body waits.
    static let settlingNanoseconds: UInt64 = 4_000_000_000
    /// Beyond, the play would never end.
    static let waitsMax = 200_000

    init(seed: UInt64, traces: Bool = false) {
        ledger = PlayLedger(seed: seed)
        dice = Randomness(seed: seed)
        self.traces = traces
        waitsUntilEnd = 20 + dice.magnitude(upTo: 1000)
        clears = dice.happens(oneIn: 2)
        kernel = PlayedKernel(seed: seed, wholeBuffers: dice.happens(oneIn: 3), traces: traces, self)
    }

    var now: UInt64 { kernel.now }

    /// Plays a seed to its end, on a thread of its own. Returns what was violated.
    static func run(seed: UInt64, traces: Bool = false) -> PlayLedger {
        elsewhere {
            let play = Play(seed: seed, traces: traces)
            do throws(IOCPError) { try play.run() } catch { play.ledger.violated("the play did not begin: \(error)") }
            return play.ledger
        }
    }

    private func run() throws(IOCPError) {
        let port = try CompletionPort(simulated: configuration())
        self.port = port
        try serve(port)
        self.port = nil
        kernel = nil
    }

    private func serve(_ port: CompletionPort) throws(IOCPError) {
        try port.listen(host: "127.0.0.1", port: 0)
        let worker = try port.attachWorker()
        self.worker = worker
        // One to three jobs a turn: then what a hop misses is missed often.
        worker.executor.turn = [1, 2, 3, 256][dice.below(4)]
        var handler = PlayedHandler(self)
        do throws(IOCPError) { try worker.run(&handler) } catch {
            ledger.expect(ledger.collapsed, "the worker ended: \(error)")
        }
        checkEnd(worker)
    }

    /// Small enough that every table and queue runs full now and then.
    private func configuration() -> PortConfiguration {
        var configuration = PortConfiguration()
        configuration.workers = 1
        configuration.connectionsPerWorker = 2 + dice.below(15)
        configuration.receiveBufferBytes = 4096
        configuration.receiveBuffersPerWorker = 2 << dice.below(5)
        configuration.sendChunksPerWorker = 4 + dice.below(60)
        configuration.completionQueueEntries = 64
        configuration.mailboxEntries = 16
        configuration.lingerTimeout = .milliseconds(dice.magnitude(upTo: 4000))
        configuration.sendCap = dice.happens(oneIn: 4) ? 1 + dice.magnitude(upTo: 1 << 16) : 1 << 20
        configuration.sendHighWatermark = min(configuration.sendCap, 1 + dice.magnitude(upTo: 1 << 15))
        configuration.sendLowWatermark = dice.below(configuration.sendHighWatermark)
        configuration.overflowPolicy = dice.happens(oneIn: 4) ? .close : .refuse
        configuration.holdsBackReceive = dice.happens(oneIn: 2)
        configuration.deliversHalfClose = dice.happens(oneIn: 2)
        configuration.opensAfterFirstBytes = dice.happens(oneIn: 6)
        configuration.timersPerWorker = dice.happens(oneIn: 4) ? 1 + dice.below(4) : 1000
        if dice.happens(oneIn: 8) { configuration.idleTimeout = .milliseconds(dice.magnitude(upTo: 4000)) }
        if dice.happens(oneIn: 8) { configuration.receiveTimeout = .milliseconds(dice.magnitude(upTo: 4000)) }
        if dice.happens(oneIn: 8) { configuration.sendTimeout = .milliseconds(dice.magnitude(upTo: 4000)) }
        configuration.workerPlacement = .unbound
        return configuration
    }

    // MARK: - While it plays

    /// Before each wait of the worker: what a body waits for must not be there already. Then no luck is needed to see a
    /// wake-up that was lost.
    func waits(for timeout: UInt64) {
        waitCount += 1
        digest = (digest ^ now ^ timeout) &* 0x100_0000_01b3
        precondition(waitCount < Play.waitsMax, "seed \(ledger.seed): the play never ends")
        guard let worker else { return }
        let sleeps = timeout > 0
        ledger.expect(!sleeps || !worker.hasDueJobs, "the worker sleeps although jobs are due")
        let isCancelledInVain = sleeps && readers.values.contains(where: \.isCancelled)
        ledger.expect(!isCancelledInVain, "a task that was cancelled still waits")
        worker.withBodyConnections { connection in
            if let fault = connection.readFault { ledger.violated(fault, connection.name) }
            if sleeps, let fault = connection.sendFault { ledger.violated(fault, connection.name) }
            if sleeps && clearedAt != nil && !ledger.hasStopped && !connection.isClosing { expectSettled(connection) }
        }
        followEnd()
    }

    /// The weather is clear: nobody waits for long for a peer that reads, or for bytes that were sent.
    private func expectSettled(_ connection: AsyncConnection) {
        let received = (try? connection.counters().receivedBytes) ?? 0
        let since = ledger.stillSince(ledger.record(connection.token), received: received, now: now)
        guard now > since &+ Play.settlingNanoseconds else { return }
        ledger.expect(!connection.isSendWaiting, "a writer waits for a peer that reads everything", connection.token)
        if connection.isReadWaiting {
            ledger.expect(
                iocp_sim_connection_settled(kernel.sim, connection.token), "a reader waits for bytes that were sent",
                connection.token)
        }
    }

    private func followEnd() {
        guard !ledger.hasStopped else { return }
        if let clearedAt {
            if now > clearedAt &+ 2 * Play.settlingNanoseconds { stop() }
        } else if waitCount >= waitsUntilEnd {
            if clears {
                iocp_sim_clear(kernel.sim)
                clearedAt = now
            } else {
                stop()
            }
        }
    }

    private func stop() {
        ledger.hasStopped = true
        let drain: Duration = dice.happens(oneIn: 3) ? .zero : dice.time()
        traced("stop, draining for \(drain)")
        port?.stop(drainingFor: drain)
        iocp_sim_stop_clients(kernel.sim)
    }

    func meanwhile() {
        guard dice.happens(oneIn: 4), let task = anyReader() else { return }
        traced("another thread cancels a task")
        elsewhere { task.cancel() }
    }

    /// One that nobody cancelled yet.
    func anyReader() -> Task<Void, any Error>? {
        let left = readers.filter { !$0.value.isCancelled }.sorted { $0.key < $1.key }
        return left.randomElement(using: &dice)?.value
    }

    func traced(_ line: @autoclosure () -> String) {
        if traces { say(line()) }
    }

    // MARK: - Afterwards

    private func checkEnd(_ worker: Worker) {
        ledger.expect(worker.runningBodyCount == 0, "\(worker.runningBodyCount) bodies have not ended")
        ledger.expect(ledger.bodies.begun == ledger.bodies.ended, "bodies ended otherwise than once: \(ledger.bodies)")
        ledger.expect(ledger.tasks.begun == ledger.tasks.ended, "tasks have not ended: \(ledger.tasks)")
        ledger.expect(ledger.awaits.begun == ledger.awaits.ended, "awaits have not ended: \(ledger.awaits)")
        ledger.expect(
            ledger.connections.begun == ledger.connections.ended, "closed is not told once: \(ledger.connections)")
        ledger.expect(worker.holdings.isEmpty, "something is held: \(worker.holdings)")
        ledger.digest = digest ^ UInt64(ledger.awaits.begun) ^ iocp_sim_event_count(kernel.sim) << 20
    }
}
