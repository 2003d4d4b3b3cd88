import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Full queues, workers that leave, and stops at the wrong moment.
    @Suite(.timeLimit(.minutes(2))) struct TopicEnds {
        /// A server of two workers, of which the first is kept in a handler until `gate` opens.
        private func withBusyWorker(
            _ driver: Driver, _ topic: Topic,
            _ body: @escaping @Sendable (CompletionPort, [Peer], Locked<Bool>) async throws -> Void
        ) async throws {
            let gate = Locked(false)
            let isBusy = Locked(false)
            let spread = Locked<Set<Int>>([])
            var behaviour = Behaviour()
            behaviour.opened = { (connection) throws(IOCPError) in
                try connection.subscribe(to: topic)
                let index = connection.connection.workerIndex
                spread.withLock { _ = $0.insert(index) }
            }
            behaviour.posted = { (_, _, _) throws(IOCPError) in
                isBusy.withLock { $0 = true }
                while !gate.withLock({ $0 }) { sched_yield() }
            }
            try await withServer(driver, { $0.mailboxEntries = 16 }, behaviour) { server, port, _ in
                defer { gate.withLock { $0 = true } }
                var peers: [Peer] = []
                while peers.count < 20 || spread.withLock({ $0.count }) < 2 {
                    peers += try await subscribers(10, port: port, to: topic)
                }
                try server.port.post(0, toWorker: 0)
                try await eventually("worker 0 is busy") { isBusy.withLock { $0 } }
                try await body(server.port, peers, gate)
            }
        }

        @Test("a full queue refuses the whole message", arguments: testedDrivers)
        func fullQueue(driver: Driver) async throws {
            let topic = Topic(queueLimit: 5)
            try await withBusyWorker(driver, topic) { _, peers, gate in
                var accepted: [UInt8] = []
                var refused: IOCPError?
                let text = "worker 0 has as many to deliver as may wait for it"
                while refused.map({ !"\($0)".contains(text) }) ?? true {
                    let number = UInt8(accepted.count)
                    let bytes = try SharedBytes([number])
                    refused = refusal { () throws(IOCPError) in try topic.publish(bytes) }
                    if refused == nil { accepted.append(number) }
                }
                #expect(accepted.count == 5)
                #expect(refused?.name == "EAGAIN" && refused?.operation == .topic)
                gate.withLock { $0 = true }
                for peer in peers { #expect(try peer.receive(5) == accepted) }
                try publish([99], to: topic)
                for peer in peers { #expect(try peer.receive(1) == [99]) }
            }
        }

        @Test("so do its bytes, and one message is always taken", arguments: testedDrivers)
        func fullBytes(driver: Driver) async throws {
            let topic = Topic(queueByteLimit: 100)
            try await withBusyWorker(driver, topic) { _, peers, gate in
                let large = try SharedBytes(pattern(1_000))
                try topic.publish(large)
                #expect(refusal { () throws(IOCPError) in try topic.publish(large) }?.name == "EAGAIN")
                gate.withLock { $0 = true }
                for peer in peers { #expect(try peer.receive(1_000) == pattern(1_000)) }
                try publish(pattern(1_000), to: topic)
                for peer in peers { #expect(try peer.receive(1_000) == pattern(1_000)) }
            }
        }

        @Test("a full mailbox refuses the whole message; a letter takes along any number", arguments: testedDrivers)
        func fullMailbox(driver: Driver) async throws {
            let topic = Topic()
            try await withBusyWorker(driver, topic) { port, peers, gate in
                try publish([1], to: topic) // its letter is in the mailbox
                var posts = 0
                while refusal({ () throws(IOCPError) in try port.post(1, toWorker: 0) }) == nil { posts += 1 }
                #expect(posts == 15)
                for number in UInt8(2)..<10 { try publish([number], to: topic) }
                let other = Topic()
                #expect(refusal { () throws(IOCPError) in try other.publish(try SharedBytes([1])) } == nil) // to nobody
                gate.withLock { $0 = true }
                for peer in peers { #expect(try peer.receive(9) == Array(1..<10)) }
            }
            try await withBusyWorker(driver, topic) { port, peers, gate in
                while refusal({ () throws(IOCPError) in try port.post(1, toWorker: 0) }) == nil {}
                let refused = refusal { () throws(IOCPError) in try topic.publish(try SharedBytes([1])) }
                #expect(refused?.name == "EAGAIN" && "\(refused!)".contains("the mailbox of worker 0 is full"))
                gate.withLock { $0 = true }
                try publish([2], to: topic)
                for peer in peers { #expect(try peer.receive(1) == [2]) }
            }
        }

        @Test("a stop delivers what was published before, and nobody gets a gap", arguments: testedDrivers)
        func stopWhilePublishing(driver: Driver) async throws {
            let topic = Topic()
            let isOver = Locked(false)
            let published = Locked(0)
            let atStop = Locked(0)
            try await withServer(driver, { _ in }, subscribing(to: topic), drainingFor: .seconds(5)) { server, port, _ in
                let peers = try await subscribers(300, port: port, to: topic)
                try await onThreads(2) { thread in
                    if thread == 0 {
                        while !isOver.withLock({ $0 }) {
                            let number = published.withLock { $0 }
                            try publish(message(0, number), to: topic)
                            published.withLock { $0 += 1 }
                        }
                    } else {
                        defer { isOver.withLock { $0 = true } }
                        while published.withLock({ $0 }) < 200 { sched_yield() }
                        let before = published.withLock { $0 }
                        atStop.withLock { $0 = before }
                        server.stop(drainingFor: .seconds(5))
                        for peer in peers {
                            let numbers = messages(try peer.receive(1 << 20)).map(\.number) // to the end
                            peer.finishSending()
                            #expect(numbers == Array(0..<numbers.count) && numbers.count >= before)
                        }
                    }
                }
            }
            #expect(topic.subscriberCount == 0)
            try publish([1], to: topic)
        }

        @Test("the worker that leaves delivers first; the others go on", arguments: testedDrivers)
        func leaving(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 2
            configuration.lingerTimeout = .milliseconds(500)
            let port = try CompletionPort(configuration)
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            let topic = Topic()
            let leaves = Locked(false)
            let stays = Locked(0)
            let attached = Locked(0)
            try await onThreads(3) { thread in
                if thread < 2 {
                    let worker = try port.attachWorker()
                    attached.withLock { $0 += 1 }
                    var batch = CompletionBatch()
                    var hasLeft = worker.index == 0
                    while let count = try? worker.wait(into: &batch, timeout: .milliseconds(1)) {
                        for index in 0..<count where batch[index].event == .opened {
                            try worker.subscribe(batch[index].connection!, to: topic)
                            if worker.index == 0 { stays.withLock { $0 += 1 } }
                        }
                        if !hasLeft, leaves.withLock({ $0 }) {
                            worker.leave(drainingFor: .seconds(5))
                            hasLeft = true
                        }
                    }
                    #expect(worker.holdings.isEmpty)
                } else {
                    defer { port.stop() }
                    while attached.withLock({ $0 }) < 2 { sched_yield() }
                    var peers: [Peer] = []
                    while peers.count < 40 || stays.withLock({ $0 == 0 || $0 == peers.count }) {
                        peers.append(try Peer.connect(port: address.port))
                        while topic.subscriberCount < peers.count { sched_yield() }
                    }
                    try publish([1], to: topic)
                    leaves.withLock { $0 = true }
                    try publish([2], to: topic)  // those who leave may have it
                    let stayed = stays.withLock { $0 }
                    while topic.subscriberCount > stayed { sched_yield() }
                    try publish([3], to: topic)
                    var streams: [[UInt8]: Int] = [:]
                    for peer in peers {
                        var stream: [UInt8] = []
                        while stream.last != 3, let byte = try peer.receive(1).first { stream.append(byte) }
                        streams[stream, default: 0] += 1
                    }
                    #expect(streams[[1, 2, 3]] == stayed)
                    #expect(streams[[1], default: 0] + streams[[1, 2], default: 0] == peers.count - stayed)
                }
            }
            #expect(topic.subscriberCount == 0)
        }
    }
}
