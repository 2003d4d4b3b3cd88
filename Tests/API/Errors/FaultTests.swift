import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Every operation of both drivers, ended with every errno that is treated in a way of its own and with some that
    /// are not (`Errors`): what comes of it, and that nothing stays behind. Handing over a buffer (`provide`) is no call
    /// to the kernel on either driver, so it cannot fail.
    @Suite struct Faults {}
}

extension RealSockets.Faults {
    // MARK: - Accepting

    @Test("an accept that ended for nothing is armed again at once", arguments: testedDrivers, Errors.acceptAgain)
    func acceptAgain(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        worker.fail(INTERNALS_FAULT_ACCEPT, with: error)
        let (peer, connection) = try worker.open()
        #expect(worker.struck(INTERNALS_FAULT_ACCEPT) == 1)
        #expect(worker.stats.accept_failures == 0 && worker.stats.accepted == 1)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("an accept that cannot go on backs off, and keeps its clients", arguments: testedDrivers, Errors.acceptLater)
    func acceptLater(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        worker.fail(INTERNALS_FAULT_ACCEPT, with: error, times: 2)
        let peer = try Peer.connect(port: worker.listeningPort)
        for attempt: UInt32 in 1...2 {
            try worker.until("a failed accept") { worker.stats.accept_failures == attempt }
            for _ in 0..<5 { worker.turn() }
            #expect(worker.struck(INTERNALS_FAULT_ACCEPT) == attempt, "it asks again without a pause")
            #expect(worker.holdings.deadlines == 1 && worker.opened.isEmpty)
            worker.pass(milliseconds: 120)
        }
        let stats = worker.stats
        let reasons = [
            stats.accepts_out_of_descriptors, stats.accepts_out_of_memory, stats.accepts_out_of_slots,
            stats.accepts_failed_otherwise,
        ]
        switch error.code {
        case EMFILE, ENFILE: #expect(reasons == [2, 0, 0, 0])
        case ENOBUFS, ENOMEM: #expect(reasons == [0, 2, 0, 0])
        default: #expect(reasons == [0, 0, 0, 2])
        }
        try worker.until("opened") { worker.opened.count == 1 }
        try worker.expectAlive(worker.opened[0], peer)
        try worker.expectNothingHeld()
    }

    @Test("a client whose socket cannot be watched is let go, and accepting backs off", arguments: Errors.watch)
    func acceptUnwatched(error: Errno) throws {
        let worker = try FaultyWorker(.epoll)
        worker.turn()
        worker.fail(INTERNALS_FAULT_ADD, with: error)
        let refused = try Peer.connect(port: worker.listeningPort)
        try worker.until("a failed accept") { worker.stats.accept_failures == 1 }
        #expect(refused.end() == .finished)
        #expect(worker.holdings.driver_handles == 0 && worker.holdings.deadlines == 1)
        worker.pass(milliseconds: 120)
        let (peer, connection) = try worker.open()
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "a listener that cannot be watched backs off",
        arguments: [INTERNALS_FAULT_ADD, INTERNALS_FAULT_MODIFY], Errors.watch)
    func listenerUnwatched(point: internals_fault_point, error: Errno) throws {
        let worker = try FaultyWorker(.epoll)
        let peer = try Peer.connect(port: worker.listeningPort)
        worker.fail(point, with: error)
        try worker.until("a failed accept") { worker.stats.accept_failures == 1 }
        #expect(worker.struck(point) == 1 && worker.opened.isEmpty && worker.holdings.deadlines == 1)
        worker.pass(milliseconds: 120)
        try worker.until("opened") { worker.opened.count == 1 }
        try worker.expectAlive(worker.opened[0], peer)
        try worker.expectNothingHeld()
    }

    // MARK: - Connecting

    /// The points at which a connect is refused at the call, with what they may say.
    static let refusals: [(Driver, internals_fault_point, Errno)] =
        testedDrivers.flatMap { driver in
            Errors.socket.map { (driver, INTERNALS_FAULT_SOCKET, $0) }
                + Errors.bind.map { (driver, INTERNALS_FAULT_BIND, $0) }
                + [(driver, INTERNALS_FAULT_OPTION, Errno(ENOMEM))]
        } + (hasDirectDescriptors ? Errors.place : []).map { (.uring, INTERNALS_FAULT_PLACE, $0) }
        + Errors.place.map { (.epoll, INTERNALS_FAULT_ADD, $0) }

    @Test("a connect that gets no socket is refused at the call", arguments: refusals)
    func connectRefused(driver: Driver, point: internals_fault_point, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        worker.turn()
        worker.fail(point, with: error)
        #expect(worker.connect(source: FaultyWorker.loopback(port: 0)) == -error.code)
        #expect(worker.struck(point) == 1)
        for _ in 0..<3 { worker.turn() }
        #expect(worker.failed.isEmpty && worker.stats.connected == 0)
        try worker.expectNothingHeld()
    }

    @Test(
        "a table of descriptors that places nothing is full", .enabled(if: hasDirectDescriptors, needsDirectDescriptors)
    )
    func nothingPlaced() throws {
        let worker = try FaultyWorker(.uring)
        worker.fail(INTERNALS_FAULT_PLACE, with: Errno(0))
        #expect(worker.connect() == -ENFILE)
        try worker.expectNothingHeld()
    }

    @Test("a connect that fails says so once, by its key", arguments: testedDrivers, Errors.connect)
    func connectFails(driver: Driver, error: Errno) throws {
        for point in driver == .epoll
            ? [INTERNALS_FAULT_CONNECT, INTERNALS_FAULT_CONNECT_LATER] : [INTERNALS_FAULT_CONNECT]
        {
            let worker = try FaultyWorker(driver)
            worker.fail(point, with: error)
            #expect(worker.connect(key: 7) == 0)
            try worker.until("failed") { !worker.failed.isEmpty }
            for _ in 0..<3 { worker.turn() }
            #expect(worker.struck(point) == 1)
            #expect(worker.failed.map(\.result) == [-error.code] && worker.failed.map(\.key) == [7])
            #expect(worker.stats.connected == 0)
            try worker.expectNothingHeld()
        }
    }

    // MARK: - Receiving

    @Test("a receive that ended for nothing is armed again", arguments: testedDrivers, Errors.receiveAgain)
    func receiveAgain(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        worker.fail(INTERNALS_FAULT_RECEIVE, with: error)
        let (peer, connection) = try worker.open()
        try peer.send([9])
        try worker.until("struck") { worker.struck(INTERNALS_FAULT_RECEIVE) == 1 }
        // More bytes: where EAGAIN was said, readiness is what tells of the end of it.
        try worker.expectAlive(connection, peer)
        #expect(worker.received.first == 9, "what came first is lost")
        try worker.expectNothingHeld()
    }

    @Test("a receive that found no buffer waits for one", arguments: testedDrivers, Errors.noBuffer)
    func receiveStarves(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        worker.fail(INTERNALS_FAULT_RECEIVE, with: error)
        let (peer, connection) = try worker.open()
        try peer.send([9])
        try worker.until("starved") { worker.stats.starved_receives == 1 }
        try worker.until("received") { worker.received == [9] }
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("a receive that failed ends its connection by name", arguments: testedDrivers, Errors.reset + Errors.failed)
    func receiveFails(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        worker.fail(INTERNALS_FAULT_RECEIVE, with: error)
        let (peer, connection) = try worker.open()
        try peer.send([9])
        try worker.expectClosed(connection, Errors.reset.contains(error) ? IOCP_CLOSE_RESET : IOCP_CLOSE_FAILED, error)
        #expect(peer.end() == .reset)
        try worker.expectNothingHeld()
    }

    // MARK: - Sending

    @Test("a send that took nothing waits, and loses nothing", arguments: testedDrivers, Errors.sendAgain)
    func sendAgain(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_SEND, with: error)
        #expect(worker.send(connection, pattern(1000)) == 0 && worker.notify(connection, key: 5) == 0)
        try worker.until("sent") { !worker.sent.isEmpty }
        #expect(worker.struck(INTERNALS_FAULT_SEND) == 1)
        #expect(try peer.receive(1000) == pattern(1000))
        #expect(worker.sent.map(\.key) == [5] && worker.sent[0].result == 0)
        let retriedAtOnce = driver == .epoll && error.code == EINTR
        #expect(worker.stats.short_sends == (retriedAtOnce ? 0 : 1))
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "a send for which the kernel has no memory waits before it tries again", arguments: testedDrivers,
        Errors.noMemory)
    func sendWithoutMemory(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_SEND, with: error, times: 3)
        #expect(worker.send(connection, pattern(1000)) == 0)
        expectPauses(worker)
        try worker.until("sent") { worker.unsent(connection) == 0 }
        #expect(try peer.receive(1000) == pattern(1000))
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    /// Three sends find no memory, each a pause of 10 ms after the one before, however often the worker waits meanwhile.
    private func expectPauses(_ worker: FaultyWorker) {
        let start = ContinuousClock.now
        for attempt: UInt32 in 1...3 {
            for _ in 0..<50 { worker.turn(timeoutNs: 0) }
            // On a machine that is busy a pause may pass in real time, too.
            let passed = UInt32((ContinuousClock.now - start) / .milliseconds(10))
            #expect(
                (attempt...attempt + passed).contains(worker.struck(INTERNALS_FAULT_SEND)),
                "it tries again without a pause")
            worker.pass(milliseconds: 20)
        }
    }

    @Test("a graceful close waits for the kernel's memory, too", arguments: testedDrivers, Errors.noMemory)
    func closeWithoutMemory(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_SEND, with: error, times: 3)
        #expect(worker.send(connection, pattern(1000)) == 0)
        #expect(worker.close(connection) == 0)
        expectPauses(worker)
        try worker.until("FIN") { worker.holdings.send_nodes == 0 }
        #expect(try peer.receive(1000) == pattern(1000))
        #expect(peer.end() == .finished)
        peer.finishSending()
        try worker.expectClosed(connection, IOCP_CLOSE_LOCAL, nil)
        try worker.expectNothingHeld()
    }

    @Test("a send that failed ends its connection by name", arguments: testedDrivers, Errors.reset + Errors.failed)
    func sendFails(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_SEND, with: error)
        #expect(worker.send(connection, [1]) == 0 && worker.notify(connection, key: 5) == 0)
        try worker.expectClosed(connection, Errors.reset.contains(error) ? IOCP_CLOSE_RESET : IOCP_CLOSE_FAILED, error)
        #expect(worker.sent.map(\.result) == [-error.code])
        #expect(peer.end() == .reset)
        try worker.expectNothingHeld()
    }

    /// More than the kernel's buffers take at once.
    static let much = 8 << 20

    /// A connection with a send that waits for room; whatever strikes next strikes what follows on it.
    private func withWaitingSend(
        _ driver: Driver, _ error: Errno, _ body: (FaultyWorker, Peer, iocp_token) throws -> Void
    ) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open(receiveBufferBytes: 512 * 1024)
        #expect(worker.send(connection, pattern(Self.much)) == 0)
        try worker.until("a send waits") { worker.stats.short_sends > 0 }
        for _ in 0..<3 { worker.turn() }
        worker.fail(INTERNALS_FAULT_SEND, with: error)
        try body(worker, peer, connection)
        #expect(worker.struck(INTERNALS_FAULT_SEND) == 1)
        try worker.expectNothingHeld()
    }

    @Test("a waiting send that took nothing goes on waiting", arguments: testedDrivers, Errors.sendAgain)
    func waitingSendAgain(driver: Driver, error: Errno) throws {
        try withWaitingSend(driver, error) { worker, peer, connection in
            var arrived: [UInt8] = []
            var due = worker.received.count
            try worker.until("everything sent", turnNs: 0) {
                arrived += try peer.receiveWhatCame()
                // EAGAIN promises that room will be told of, and one that is made up does not keep it: bytes are told of.
                if driver == .epoll && error.code == EAGAIN {
                    try peer.send([0])
                    due += 1
                }
                return arrived.count == Self.much
            }
            try worker.until("those bytes came") { worker.received.count == due }
            #expect(arrived.withUnsafeBytes { memcmp($0.baseAddress!, pattern(Self.much), Self.much) } == 0)
            try worker.expectAlive(connection, peer)
        }
    }

    @Test(
        "a waiting send that failed ends its connection by name", arguments: testedDrivers, Errors.reset + Errors.failed
    )
    func waitingSendFails(driver: Driver, error: Errno) throws {
        try withWaitingSend(driver, error) { worker, peer, connection in
            try worker.until("closed") {
                if worker.closed.isEmpty { _ = try peer.receiveWhatCame() }
                return !worker.closed.isEmpty
            }
            try worker.expectClosed(
                connection, Errors.reset.contains(error) ? IOCP_CLOSE_RESET : IOCP_CLOSE_FAILED, error)
        }
    }

    // MARK: - Ending

    @Test(
        "a FIN that cannot be sent ends its connection by name", arguments: testedDrivers, Errors.reset + Errors.failed)
    func finishFails(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_SHUTDOWN, with: error)
        #expect(worker.finish(connection) == 0)
        try worker.expectClosed(connection, Errors.reset.contains(error) ? IOCP_CLOSE_RESET : IOCP_CLOSE_FAILED, error)
        #expect(peer.end() == .reset)
        try worker.expectNothingHeld()
    }

    @Test(
        "a close whose FIN cannot be sent still ends, as the local close it is", arguments: testedDrivers,
        Errors.reset + Errors.failed)
    func closeWithoutFinish(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_SHUTDOWN, with: error)
        #expect(worker.close(connection) == 0)
        try worker.expectClosed(connection, IOCP_CLOSE_LOCAL, nil)
        #expect(peer.end() == .reset)
        try worker.expectNothingHeld()
    }

    /// Epoll cancels an operation on a socket without asking the kernel.
    @Test("what a cancel answers changes nothing: its target's own end counts", arguments: Errors.cancel)
    func cancelAnswers(error: Errno) throws {
        let worker = try FaultyWorker(.uring)
        let (peer, connection) = try worker.open()
        worker.turn()
        worker.fail(INTERNALS_FAULT_CANCEL, with: error)
        #expect(worker.pause(connection) == 0)
        try worker.until("struck") { worker.struck(INTERNALS_FAULT_CANCEL) == 1 }
        try peer.send([9])
        for _ in 0..<5 { worker.turn() }
        #expect(worker.received.isEmpty, "a paused connection received")
        #expect(worker.resume(connection) == 0)
        try worker.until("received") { worker.received == [9] }
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "a stop ends whatever a cancelled accept answers",
        arguments: Errors.cancel.map { (Driver.uring, INTERNALS_FAULT_CANCEL, $0) }
            + (Errors.watch + Errors.cancel).map { (.epoll, INTERNALS_FAULT_MODIFY, $0) })
    func stopWithFailingCancel(driver: Driver, point: internals_fault_point, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        for _ in 0..<3 { worker.turn() }
        worker.fail(point, with: error)
        worker.stop()
        var result: Int32 = 0
        try worker.until("stopped") {
            result = worker.turn()
            return result == -ECANCELED
        }
        #expect(worker.struck(point) == 1)
        try worker.expectNothingHeld()
    }

    @Test("whatever closing a socket answers, it is closed", arguments: testedDrivers, Errors.close)
    func closeAnswers(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_CLOSE, with: error)
        #expect(worker.close(connection) == 0)
        try worker.until("FIN") { peer.sawFinish() }
        peer.finishSending()
        try worker.expectClosed(connection, IOCP_CLOSE_LOCAL, nil)
        #expect(worker.struck(INTERNALS_FAULT_CLOSE) == 1)
        #expect(peer.end() == .finished)
        try worker.expectNothingHeld()
    }

    @Test(
        "an abort that cannot send RST sends FIN", .enabled(if: hasDirectDescriptors, needsDirectDescriptors),
        arguments: testedDrivers, [ENOTCONN, EINVAL, ENOMEM].map(Errno.init))
    func abortAnswers(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_ABORT, with: error)
        #expect(worker.abort(connection) == 0)
        try worker.expectClosed(connection, IOCP_CLOSE_ABORTED, nil)
        #expect(worker.struck(INTERNALS_FAULT_ABORT) == 1)
        #expect(peer.end() == .finished)
        try worker.expectNothingHeld()
    }

    // MARK: - Asking

    @Test("a peer that cannot be asked for is refused by name", arguments: testedDrivers, Errors.peer)
    func peerAnswers(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        worker.fail(INTERNALS_FAULT_PEER, with: error)
        #expect(worker.peer(connection) == -error.code)
        #expect(worker.peer(connection) == 0, "asked again")
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "this end that cannot be asked for is refused by name", arguments: testedDrivers,
        [ENOBUFS, ENOTCONN].map(Errno.init))
    func localAnswers(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        let descriptors = openDescriptors()
        worker.fail(INTERNALS_FAULT_NAME, with: error)
        #expect(worker.local(connection) == -error.code)
        #expect(worker.local(connection) == 0, "asked again")
        if driver == .uring && hasDirectDescriptors {
            worker.fail(INTERNALS_FAULT_INSTALL, with: Errno(EMFILE))
            #expect(worker.local(connection) == -EMFILE && worker.local(connection) == 0)
        }
        #expect(openDescriptors() <= descriptors)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("a client whose address cannot be asked is refused, and counted", arguments: testedDrivers, Errors.peer)
    func refusedUnasked(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver) { $0.connections_per_address = 1 }
        worker.fail(INTERNALS_FAULT_PEER, with: error)
        let unasked = try Peer.connect(port: worker.listeningPort)
        try worker.until("refused") { worker.stats.refused_addresses == 1 }
        #expect(unasked.end() == .reset && worker.opened.isEmpty)
        #expect(worker.stats.refused_unknown_address == 1)
        let (peer, connection) = try worker.open()
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("a client whose address cannot be asked now is held until it can", arguments: testedDrivers, Errors.peerLater)
    func heldUntilAsked(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver) { $0.connections_per_address = 1 }
        worker.fail(INTERNALS_FAULT_PEER, with: error, times: 5)
        let (peer, connection) = try worker.open()
        #expect(worker.struck(INTERNALS_FAULT_PEER) == 5)
        let refused = try Peer.connect(port: worker.listeningPort)
        try worker.until("refused") { worker.stats.refused_addresses == 1 }
        #expect(refused.end() == .reset, "the first one was not counted")
        #expect(worker.stats.refused_over_address_limit == 1 && worker.stats.refused_unknown_address == 0)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("a client whose address cannot be asked for ten seconds is refused", arguments: testedDrivers)
    func heldInVain(driver: Driver) throws {
        let worker = try FaultyWorker(driver) { $0.connections_per_address = 1 }
        worker.fail(INTERNALS_FAULT_PEER, with: Errno(EBUSY), times: .max)
        let peer = try Peer.connect(port: worker.listeningPort)
        try worker.until("asked often") { worker.struck(INTERNALS_FAULT_PEER) > 3 }
        #expect(worker.stats.refused_addresses == 0 && worker.holdings.driver_handles == 1)
        worker.pass(milliseconds: 10_100)
        try worker.until("refused") { worker.stats.refused_addresses == 1 }
        #expect(peer.end() == .reset && worker.opened.isEmpty)
        #expect(worker.stats.refused_unknown_address == 1)
        try worker.expectNothingHeld()
    }

    @Test("each client is held whose address cannot be asked now, however many they are", arguments: testedDrivers)
    func manyHeld(driver: Driver) throws {
        let clients = 200
        let worker = try FaultyWorker(driver) {
            $0.connections_per_address = UInt32(clients)
            $0.connections_per_worker = UInt32(clients)
            $0.listen_backlog = UInt32(clients)
        }
        worker.fail(INTERNALS_FAULT_PEER, with: Errno(EBUSY), times: UInt32(3 * clients))
        let peers = try (0..<clients).map { _ in try Peer.connect(port: worker.listeningPort) }
        try worker.until("opened") { worker.opened.count == clients }
        #expect(worker.stats.refused_addresses == 0 && worker.stats.accept_failures == 0)
        for (peer, connection) in zip(peers.suffix(1), worker.opened.suffix(1)) {
            try worker.expectAlive(connection, peer)
        }
        try worker.expectNothingHeld()
    }

    @Test("a stop does not wait for a client that is held", arguments: testedDrivers)
    func heldAtStop(driver: Driver) throws {
        let worker = try FaultyWorker(driver) { $0.connections_per_address = 1 }
        worker.fail(INTERNALS_FAULT_PEER, with: Errno(EBUSY), times: .max)
        let peer = try Peer.connect(port: worker.listeningPort)
        try worker.until("asked") { worker.struck(INTERNALS_FAULT_PEER) > 0 }
        worker.stop()
        var result: Int32 = 0
        try worker.until("stopped") {
            result = worker.turn()
            return result == -ECANCELED
        }
        #expect(peer.end() == .reset && worker.opened.isEmpty)
        try worker.expectNothingHeld()
    }

    /// As while the kernel's overflow list is not empty: what an entry completes is seen after a later one.
    @Test(
        "a question that is answered later is answered once it is asked again",
        .enabled(if: hasDirectDescriptors, needsDirectDescriptors),
        arguments: [2, 5] as [UInt32])
    func answeredLate(entries: UInt32) throws {
        let worker = try FaultyWorker(.uring)
        let (peer, connection) = try worker.open()
        for _ in 0..<3 { worker.turn() }
        worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), times: entries)
        #expect(worker.peer(connection) == -EBUSY)
        try worker.until("shown") { worker.struck(INTERNALS_FAULT_ANSWER) == entries }
        worker.turn()
        #expect(worker.peer(connection) == 0)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "questions without end while nothing is answered are refused, and all are answered later",
        .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
    func manyAnsweredLate() throws {
        let worker = try FaultyWorker(.uring)
        let (peer, connection) = try worker.open()
        for _ in 0..<3 { worker.turn() }
        worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), times: .max)
        for _ in 0..<100 { #expect(worker.peer(connection) == -EBUSY) }
        internals_faults_end()
        for _ in 0..<3 { worker.turn() }
        for _ in 0..<100 { #expect(worker.peer(connection) == 0) }
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "a worker may end while questions are unanswered", .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
    func endedUnanswered() throws {
        let descriptors = openDescriptors()
        do {
            let worker = try FaultyWorker(.uring)
            let (peer, connection) = try worker.open()
            for _ in 0..<3 { worker.turn() }
            worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), times: .max)
            #expect(worker.peer(connection) == -EBUSY && worker.connect() == -EBUSY)
            withExtendedLifetime(peer) {}
        }
        #expect(openDescriptors() <= descriptors)
    }

    @Test(
        "a connect is refused while too many questions are unanswered, and its socket is closed",
        .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
    func connectUnplaced() throws {
        let worker = try FaultyWorker(.uring)
        let (peer, connection) = try worker.open()
        for _ in 0..<3 { worker.turn() }
        worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), times: .max)
        for _ in 0..<100 { #expect(worker.peer(connection) == -EBUSY) }
        let descriptors = openDescriptors()
        #expect(worker.connect() == -EBUSY && openDescriptors() == descriptors)
        internals_faults_end()
        for _ in 0..<3 { worker.turn() }
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test(
        "a socket that is placed too late for its connect is closed",
        .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
    func placedLate() throws {
        let worker = try FaultyWorker(.uring)
        for _ in 0..<3 { worker.turn() }
        let descriptors = openDescriptors()
        worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), times: 2)
        #expect(worker.connect() == -EBUSY)
        worker.turn()
        worker.turn()
        #expect(openDescriptors() <= descriptors && worker.holdings.driver_handles == 0)
        #expect(worker.failed.isEmpty && worker.stats.connected == 0)
        try worker.expectNothingHeld()
    }

    @Test(
        "an fd that is installed too late for its question is closed",
        .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
    func installedLate() throws {
        let worker = try FaultyWorker(.uring)
        let (peer, connection) = try worker.open()
        for _ in 0..<3 { worker.turn() }
        let descriptors = openDescriptors()
        worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), times: 2)
        #expect(worker.local(connection) == -EBUSY)
        worker.turn()
        worker.turn()
        #expect(openDescriptors() <= descriptors)
        #expect(worker.local(connection) == 0 && openDescriptors() <= descriptors)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("an admission that is answered late is counted", arguments: [1, 2, 5] as [UInt32])
    func admittedLate(entries: UInt32) throws {
        let worker = try FaultyWorker(.uring) { $0.connections_per_address = 1 }
        for _ in 0..<3 { worker.turn() }
        let first = try Peer.connect(port: worker.listeningPort)
        worker.fail(INTERNALS_FAULT_ANSWER, with: Errno(0), passing: 1, times: entries)
        try worker.until("opened") { worker.opened.count == 1 }
        let refused = try Peer.connect(port: worker.listeningPort)
        try worker.until("refused") { worker.stats.refused_addresses == 1 }
        #expect(refused.end() == .reset)
        try worker.expectAlive(worker.opened[0], first)
        try worker.expectNothingHeld()
    }

    @Test(
        "a question about progress without an answer ends nobody", arguments: testedDrivers,
        Errors.askAgain + Errors.peer)
    func progressUnanswered(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver) { $0.send_timeout_ns = 1_000_000_000 }
        let (peer, connection) = try worker.open(receiveBufferBytes: 64 * 1024)
        #expect(worker.send(connection, pattern(Self.much)) == 0)
        try worker.until("a send waits") { worker.stats.short_sends > 0 }
        worker.fail(INTERNALS_FAULT_UNACKNOWLEDGED, with: error, times: 3)
        let asksAgain = Errors.askAgain.contains(error)
        worker.pass(milliseconds: 1020)
        #expect(worker.struck(INTERNALS_FAULT_UNACKNOWLEDGED) == 1 && worker.closed.isEmpty)
        worker.pass(milliseconds: 120)
        #expect(worker.struck(INTERNALS_FAULT_UNACKNOWLEDGED) == (asksAgain ? 2 : 1) && worker.closed.isEmpty)
        if !asksAgain {  // what the socket took has to do: nothing more in two windows
            for _ in 0..<4 { worker.pass(milliseconds: 1020) }
            try worker.expectClosed(connection, IOCP_CLOSE_SEND_TIMEOUT, nil)
        }
        withExtendedLifetime(peer) {}
        try worker.expectNothingHeld()
    }

    // MARK: - Waiting

    @Test("an interrupted wait says so, and the next goes on", arguments: testedDrivers, Errors.waitInterrupted)
    func waitInterrupted(driver: Driver, error: Errno) throws {
        let worker = try FaultyWorker(driver)
        let (peer, connection) = try worker.open()
        for _ in 0..<3 { worker.turn() }
        worker.fail(INTERNALS_FAULT_WAIT, with: error)
        #expect(worker.turn() == -EINTR)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("a ring that could not be entered is entered again", arguments: Errors.enterAgain)
    func enterAgain(error: Errno) throws {
        let worker = try FaultyWorker(.uring)
        worker.fail(INTERNALS_FAULT_WAIT, with: error, times: 3)
        let (peer, connection) = try worker.open()
        #expect(worker.struck(INTERNALS_FAULT_WAIT) == 3)
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }

    @Test("a wake that failed is armed again", arguments: Errors.wake)
    func wakeAgain(error: Errno) throws {
        let worker = try FaultyWorker(.uring)
        worker.fail(INTERNALS_FAULT_WAKE, with: error, times: 2)
        try worker.until("struck") { worker.struck(INTERNALS_FAULT_WAKE) == 2 }
        let (peer, connection) = try worker.open()
        try worker.expectAlive(connection, peer)
        try worker.expectNothingHeld()
    }
}
