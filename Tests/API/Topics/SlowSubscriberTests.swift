import Glibc
import IOCP
import Testing

/// Peers of which a tenth does not read: what that costs the others, and what becomes of the tenth.
extension RealSockets {
    @Suite(.timeLimit(.minutes(2))) struct SlowSubscribers {
        static let byteCount = 4_096
        static let count = 3_000 // 12 MB for each: more than the sockets take

        /// Publishes to 36 that read, and 4 that do not. Those that read get everything, in order.
        private func publishToAll(_ topic: Topic, port: Int) async throws -> (readers: [Peer], stalled: [Peer]) {
            let readers = try await subscribers(36, port: port, to: topic)
            let stalled = try await subscribers(4, port: port, to: topic, receiveBufferBytes: 4_096)
            try await onThreads(1) { _ in
                // A few at a time, so that none of the readers falls behind.
                for part in 0..<Self.count / 10 {
                    for number in part * 10..<part * 10 + 10 {
                        try publish(message(0, number, byteCount: Self.byteCount), to: topic)
                    }
                    for peer in readers {
                        let numbers = messages(try peer.receive(10 * Self.byteCount), byteCount: Self.byteCount)
                            .map(\.number)
                        try #require(numbers == Array(part * 10..<part * 10 + 10))
                    }
                }
            }
            #expect(!Peer.anyAnswers(readers, within: .zero))
            return (readers, stalled)
        }

        /// Reads what a stalled peer was sent, up to a message by another publisher.
        private func numbers(_ peer: Peer) throws -> [Int] {
            var found: [Int] = []
            while let next = messages(try peer.receive(Self.byteCount), byteCount: Self.byteCount).first, next.publisher == 0 {
                found.append(next.number)
            }
            return found
        }

        @Test("they miss messages, hear of it, and go on", arguments: testedDrivers)
        func dropMessage(driver: Driver) async throws {
            let topic = Topic()
            let told = Locked<[Int]>([])
            var behaviour = subscribing(to: topic)
            behaviour.writable = { (connection) throws(IOCPError) in
                let missed = connection.missedCount(of: topic)
                if missed > 0 { told.withLock { $0.append(missed) } }
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let (readers, stalled) = try await publishToAll(topic, port: port)
                try await eventually("all is delivered") { topic.droppedCount > 0 }
                #expect(topic.subscriberCount == 40)
                var missed = 0
                for peer in stalled {
                    // What waits for it is at most its limit, so it reads all before the next message.
                    var came: [UInt8] = []
                    let before = told.withLock { $0.count }
                    while told.withLock({ $0.count }) == before { came += try peer.receiveWhatCame() }
                    try publish(message(1, 0, byteCount: Self.byteCount), to: topic)
                    came += try peer.receive(Self.byteCount - came.count % Self.byteCount)
                    while messages(came, byteCount: Self.byteCount).last?.publisher != 1 {
                        came += try peer.receive(Self.byteCount)
                    }
                    let numbers = messages(came, byteCount: Self.byteCount).filter { $0.publisher == 0 }.map(\.number)
                    #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
                    missed += Self.count - numbers.count
                }
                #expect(missed >= 4 && topic.droppedCount >= UInt64(missed))
                #expect(told.withLock { $0 }.reduce(0, +) >= missed)
                withExtendedLifetime(readers) {}
            }
        }

        @Test("the newest wait for them, and come once they read", arguments: testedDrivers)
        func dropOldest(driver: Driver) async throws {
            let topic = Topic(whenSlow: .dropOldest(keeping: 8))
            try await withServer(driver, { _ in }, subscribing(to: topic)) { _, port, _ in
                let (readers, stalled) = try await publishToAll(topic, port: port)
                try await eventually("some were dropped") { topic.droppedCount > 0 }
                for peer in stalled {
                    var numbers: [Int] = []
                    while numbers.last != Self.count - 1 {
                        numbers += messages(try peer.receive(Self.byteCount), byteCount: Self.byteCount).map(\.number)
                    }
                    #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
                    #expect(numbers.count < Self.count)
                    #expect(numbers.suffix(8) == Array(Self.count - 8..<Self.count))
                }
                try publish(message(1, 0, byteCount: Self.byteCount), to: topic)
                for peer in stalled {
                    #expect(messages(try peer.receive(Self.byteCount), byteCount: Self.byteCount).first?.publisher == 1)
                }
                withExtendedLifetime(readers) {}
            }
        }

        @Test("they end, where whoever stays is to have everything", arguments: testedDrivers)
        func close(driver: Driver) async throws {
            let topic = Topic(whenSlow: .close)
            try await withServer(driver, { _ in }, subscribing(to: topic)) { _, port, ledger in
                let (readers, stalled) = try await publishToAll(topic, port: port)
                try await eventually("they ended") { ledger.snapshot.closed.count == 4 }
                #expect(ledger.snapshot.closed == .init(repeating: .sendOverflow, count: 4))
                #expect(topic.subscriberCount == 36 && topic.droppedCount == 0)
                withExtendedLifetime((readers, stalled)) {}
            }
        }

        @Test("small messages to those who do not read leave room for all others", arguments: testedDrivers)
        func smallMessages(driver: Driver) async throws {
            let topic = Topic(unsentLimit: 1 << 20)
            let change: @Sendable (inout PortConfiguration) -> Void = {
                $0.workers = 1
                $0.connectionsPerWorker = 64
                $0.sendChunksPerWorker = 64 // 320 pieces in all queues
            }
            try await withServer(driver, change, subscribing(to: topic)) { _, port, _ in
                let readers = try await subscribers(20, port: port, to: topic)
                let stalled = try await subscribers(10, port: port, to: topic, receiveBufferBytes: 4_096)
                // Fills the sockets of those who do not read.
                for number in 0..<1_000 {
                    try publish(message(0, number, byteCount: 8_192), to: topic)
                    for peer in readers { try #require(try peer.receive(8_192).count == 8_192) }
                }
                for number in 0..<2_000 {
                    try publish(message(1, number), to: topic)
                    if number % 10 == 9 {
                        for peer in readers {
                            try #require(messages(try peer.receive(80)).map(\.number) == Array(number - 9...number))
                        }
                    }
                }
                withExtendedLifetime(stalled) {}
            }
        }
    }
}
