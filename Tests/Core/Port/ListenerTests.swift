import CIOCPInternals
import Glibc
import Testing

/// What a worker asks of its driver while a listener pauses, and how listeners are named.
@Suite struct ListenerTests {
    private func accepts(of worker: ScriptedWorker) -> [internals_request] {
        _ = worker.settle()
        return worker.requests().map(\.call).filter { $0.kind == INTERNALS_REQUEST_ACCEPT || $0.kind == INTERNALS_REQUEST_CANCEL }
    }

    @Test("a pause cancels the accept, and a client that it found still opens")
    func pause() throws {
        let worker = ScriptedWorker()
        try #require(internals_worker_listen(worker.script) == 0)
        let accept = try #require(accepts(of: worker).first).token
        #expect(internals_worker_change_listener(worker.script, IOCP_LISTENER_PAUSED) == 0)
        let asked = accepts(of: worker)
        #expect(asked.map(\.kind) == [INTERNALS_REQUEST_CANCEL] && asked.first?.token == accept)
        worker.report(accept, 7, more: true)
        #expect(worker.poll().map(\.kind) == [IOCP_COMPLETION_OPENED])
        worker.report(accept, -ECANCELED)
        #expect(accepts(of: worker).isEmpty, "neither cancelled again nor armed")
        #expect(internals_worker_change_listener(worker.script, IOCP_LISTENER_LISTENING) == 0)
        #expect(accepts(of: worker).map(\.kind) == [INTERNALS_REQUEST_ACCEPT])
        worker.report(accept, 8)
        let opened = worker.poll()
        #expect(opened.map(\.kind) == [IOCP_COMPLETION_OPENED] && opened.first?.detail == 1, "of the first listener")
    }

    @Test("resumed before its cancel has ended, a listener is armed again")
    func resumedEarly() throws {
        let worker = ScriptedWorker()
        try #require(internals_worker_listen(worker.script) == 0)
        let accept = try #require(accepts(of: worker).first).token
        _ = internals_worker_change_listener(worker.script, IOCP_LISTENER_PAUSED)
        #expect(accepts(of: worker).map(\.kind) == [INTERNALS_REQUEST_CANCEL])
        _ = internals_worker_change_listener(worker.script, IOCP_LISTENER_LISTENING)
        #expect(accepts(of: worker).isEmpty, "its end is awaited")
        worker.report(accept, -ECANCELED)
        #expect(accepts(of: worker).map(\.kind) == [INTERNALS_REQUEST_ACCEPT])
    }

    @Test("one that backs off does not pause for ever, and one that pauses does not back off")
    func backingOff() throws {
        let worker = ScriptedWorker()
        try #require(internals_worker_listen(worker.script) == 0)
        let accept = try #require(accepts(of: worker).first).token
        worker.report(accept, -EMFILE)
        _ = worker.settle()
        _ = internals_worker_change_listener(worker.script, IOCP_LISTENER_PAUSED)
        worker.pass(1_000_000_000)
        #expect(accepts(of: worker).isEmpty)
        _ = internals_worker_change_listener(worker.script, IOCP_LISTENER_LISTENING)
        #expect(accepts(of: worker).map(\.kind) == [INTERNALS_REQUEST_ACCEPT])
    }

    @Test("a closed listener does not listen again")
    func closed() throws {
        let worker = ScriptedWorker()
        try #require(internals_worker_listen(worker.script) == 0)
        let accept = try #require(accepts(of: worker).first).token
        #expect(internals_worker_change_listener(worker.script, IOCP_LISTENER_CLOSED) == 0)
        #expect(accepts(of: worker).map(\.kind) == [INTERNALS_REQUEST_CANCEL])
        worker.report(accept, -EINVAL)
        #expect(accepts(of: worker).isEmpty)
        for state in [IOCP_LISTENER_LISTENING, IOCP_LISTENER_PAUSED, IOCP_LISTENER_CLOSED] {
            #expect(internals_worker_change_listener(worker.script, state) == -ENOENT)
        }
        #expect(accepts(of: worker).isEmpty && worker.stats.accept_failures == 0)
    }

    /// The played kernel's sockets cost no system call.
    @Test("short names come back late, and none that is in use")
    func names() throws {
        var observer = iocp_sim_observer()
        let sim = iocp_sim_create(1, false, &observer)
        iocp_sim_use(sim)
        defer {
            iocp_sim_use(nil)
            iocp_sim_destroy(sim)
        }
        let port = try createPort(driver: IOCP_DRIVER_SIM)
        var failure = iocp_failure()
        defer { iocp_port_destroy(port) }
        func listen() -> iocp_listener_id {
            var endpoint = iocp_endpoint(), bound = iocp_endpoint()
            var id: iocp_listener_id = 0
            #expect(iocp_port_listen_on(port, &endpoint, 1, nil, &bound, &id, &failure) == 0)
            return id
        }
        let kept = listen()
        var latest: [UInt16: iocp_listener_id] = [iocp_listener_short(kept): kept]
        for _ in 0..<140_000 {
            let id = listen()
            let name = iocp_listener_short(id)
            let former = latest.updateValue(id, forKey: name) ?? 0
            if name == 0 || former == kept || (former > 0 && id - former < 65_535) {
                Issue.record("name \(name) of \(id) was that of \(former)")
                break
            }
            if iocp_port_listener_close(port, id) != 0 || iocp_port_listener_close(port, id) != -ENOENT { break }
        }
        #expect(latest.count == 65_535 && iocp_port_listener_state(port, kept) == IOCP_LISTENER_LISTENING)
        for unknown in [0, kept + 1_000_000, .max] as [iocp_listener_id] {
            #expect(iocp_port_listener_pause(port, unknown) == -ENOENT && iocp_port_listener_close(port, unknown) == -ENOENT)
            #expect(iocp_port_listener_state(port, unknown) == IOCP_LISTENER_CLOSED)
        }
    }
}
