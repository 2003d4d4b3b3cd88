import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// How many connections each peer address has.
@Suite struct AddressCountsTests {
    /// The counts of the core's, closed with their owner.
    private final class Counts {
        let pointer: UnsafeMutablePointer<iocp_address_counts> = .allocate(capacity: 1)

        init(connections: UInt64, limit: UInt32) {
            precondition(iocp_address_counts_open(pointer, connections, limit) == 0)
        }

        deinit {
            iocp_address_counts_close(pointer)
            pointer.deallocate()
        }

        func take(_ key: iocp_address_key) -> Bool { iocp_address_counts_take(pointer, key) }
        func release(_ key: iocp_address_key) { iocp_address_counts_release(pointer, key) }
        var entries: Int { (0...Int(pointer.pointee.mask)).count { pointer.pointee.entries[$0].key != 0 } }
    }

    private func key(_ text: String) -> iocp_address_key {
        var address = iocp_address()
        precondition(iocp_address_resolve(text, 0, &address) == 0)
        return iocp_address_key_of(&address)
    }

    private func same(_ a: String, _ b: String) -> Bool {
        key(a) == key(b)
    }

    @Test func anAddressIsOneInVersion4AndA64InVersion6() {
        #expect(same("192.0.2.1", "192.0.2.1"))
        #expect(!same("192.0.2.1", "192.0.2.2"))
        #expect(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"))
        #expect(!same("2001:db8:1:2::1", "2001:db8:1:3::1"))
        #expect(!same("0.0.0.0", "::"))
        #expect(same("::1", "::2") && key("::1") != 0)
    }

    /// An IPv6 socket accepts IPv4 peers as ::ffff:a.b.c.d: they share their first 64 bits, and nothing else.
    @Test func version4PeersOfAVersion6SocketAreApart() {
        #expect(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"))
        #expect(same("::ffff:192.0.2.1", "192.0.2.1"))
    }

    @Test func theLimitIsPerAddress() {
        let counts = Counts(connections: 10, limit: 2)
        let one = key("192.0.2.1"), other = key("192.0.2.2")
        #expect(counts.take(one) && counts.take(one))
        #expect(!counts.take(one))
        #expect(counts.take(other))
        counts.release(one)
        #expect(counts.take(one))
        #expect(!counts.take(one))
    }

    /// A refusal leaves nothing behind, nor does the last release.
    @Test func onlyCountedAddressesTakeAPlace() {
        let counts = Counts(connections: 4, limit: 1)
        let address = key("2001:db8::1")
        #expect(counts.take(address) && !counts.take(address))
        #expect(counts.entries == 1)
        counts.release(address)
        #expect(counts.entries == 0)
    }

    @Test func withoutALimitNothingIsKept() {
        let counts = Counts(connections: 1 << 40, limit: 0)
        #expect(counts.pointer.pointee.entries == nil)
    }

    /// Against a dictionary, in a table so small that addresses displace each other all the time.
    @Test func randomAddressesComeAndGo() {
        var random = Randomness.announced()
        for size in [8, 100] {
            let counts = Counts(connections: UInt64(size), limit: 3)
            var model: [UInt64: Int] = [:]
            for _ in 0..<20_000 {
                let prefix = UInt64(1 + random.below(size * 2)) << UInt64(random.below(2) * 32)
                let key = iocp_address_key(prefix)
                if random.below(2) == 0 {
                    guard model.values.reduce(0, +) < size else { continue }
                    #expect(counts.take(key) == (model[prefix, default: 0] < 3))
                    model[prefix] = min(3, model[prefix, default: 0] + 1)
                } else if let held = model[prefix] {
                    counts.release(key)
                    model[prefix] = held == 1 ? nil : held - 1
                }
                #expect(counts.entries == model.count)
            }
            for (prefix, count) in model {
                for _ in count..<3 { #expect(counts.take(iocp_address_key(prefix))) }
                #expect(!counts.take(iocp_address_key(prefix)))
            }
        }
    }

    @Test func releasingWhatWasNotTakenTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let counts = Counts(connections: 4, limit: 1)
            counts.release(iocp_address_key(1))
        }
        expectMessage(result, "an address was counted down twice")
    }

    // MARK: - At the door

    @Test func connectionsOverTheLimitAreRefusedAndCountedDownAgain() {
        let worker = ScriptedWorker { $0.connections_per_address = 2 }
        var address = iocp_address()
        #expect(iocp_address_resolve("192.0.2.7", 0, &address) == 0)
        internals_worker_set_peer(worker.script, &address)
        let first = worker.open()
        _ = worker.open()
        _ = worker.requests()
        _ = worker.accept()
        #expect(worker.settle().isEmpty)
        let refusal = worker.requests().filter { $0.kind == INTERNALS_REQUEST_CLOSE }
        #expect(refusal.count == 1 && refusal[0].call.abort && refusal[0].call.token == 0)
        worker.report(0, 0)
        #expect(worker.stats.refused_addresses == 1)
        worker.report(iocp_token_with(first, IOCP_OPERATION_RECEIVE), -ECONNRESET)
        _ = worker.settle()
        worker.report(iocp_token_with(first, IOCP_OPERATION_CLOSE), 0)
        #expect(worker.settle().map(\.kind) == [IOCP_COMPLETION_CLOSED])
        _ = worker.open() // one left, one came
        #expect(worker.holdings.connections == 2)
    }
}
