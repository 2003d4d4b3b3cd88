import Glibc
import IOCP
import Testing

/// Every connection of a server subscribes when it opens.
func subscribing(to topic: Topic) -> Behaviour {
    var behaviour = Behaviour()
    behaviour.opened = { (connection) throws(IOCPError) in try connection.subscribe(to: topic) }
    return behaviour
}

/// Publishes, again and again while it is refused because a worker is behind.
func publish(_ bytes: [UInt8], to topic: Topic, except: Connection? = nil) throws {
    let shared = try SharedBytes(bytes)
    while true {
        guard let refused = refusal({ () throws(IOCPError) in try topic.publish(shared, except: except) }) else { return }
        try #require(refused.name == "EAGAIN" && refused.operation == .topic, "\(refused)")
        sched_yield()
    }
}

/// Connects peers until every worker of a topic's server has some, and all are subscribed.
func subscribers(_ count: Int, port: Int, to topic: Topic, receiveBufferBytes: Int32? = nil) async throws -> [Peer] {
    let before = topic.subscriberCount
    let peers = try (0..<count).map { _ in try Peer.connect(port: port, receiveBufferBytes: receiveBufferBytes) }
    try await eventually("all are subscribed") { topic.subscriberCount == before + count }
    return peers
}

/// A message that names its publisher and its place, padded to a length.
func message(_ publisher: Int, _ number: Int, byteCount: Int = 8) -> [UInt8] {
    withUnsafeBytes(of: UInt64(publisher << 32 | number)) { Array($0) } + pattern(byteCount - 8)
}

/// The messages in a stream of them, by publisher and number.
func messages(_ stream: [UInt8], byteCount: Int = 8) -> [(publisher: Int, number: Int)] {
    stride(from: 0, to: stream.count - byteCount + 1, by: byteCount).map { start in
        let word = stream[start..<start + 8].enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
        return (Int(word >> 32), Int(word & 0xffff_ffff))
    }
}

extension RealSockets {
    @Suite(.timeLimit(.minutes(2))) struct Topics {
        @Test("several publishers: everyone gets every message once, all in one order", arguments: testedDrivers)
        func order(driver: Driver) async throws {
            let topic = Topic()
            try await withServer(driver, { _ in }, subscribing(to: topic)) { _, port, _ in
                let peers = try await subscribers(60, port: port, to: topic)
                try await onThreads(4) { publisher in
                    for number in 0..<500 { try publish(message(publisher, number), to: topic) }
                }
                let first = try peers[0].receive(4 * 500 * 8)
                for publisher in 0..<4 {
                    let numbers = messages(first).filter { $0.publisher == publisher }.map(\.number)
                    #expect(numbers == Array(0..<500))
                }
                for peer in peers.dropFirst() { #expect(try peer.receive(first.count) == first) }
                #expect(topic.droppedCount == 0)
            }
            #expect(topic.subscriberCount == 0)
        }

        @Test("messages larger than a slice's bytes come whole", arguments: testedDrivers)
        func large(driver: Driver) async throws {
            let topic = Topic()
            try await withServer(driver, { _ in }, subscribing(to: topic)) { _, port, _ in
                let peers = try await subscribers(6, port: port, to: topic)
                let sent = (0..<3).map { pattern(3 << 20, seed: $0) }
                for bytes in sent {
                    try publish(bytes, to: topic)
                    for peer in peers { #expect(try peer.receive(bytes.count) == bytes) }
                }
            }
        }

        @Test("the one that it came from is left out, also on another worker", arguments: testedDrivers)
        func exception(driver: Driver) async throws {
            let topic = Topic()
            var behaviour = subscribing(to: topic)
            behaviour.received = { (bytes, connection) throws(IOCPError) in
                try topic.publish(try SharedBytes(bytes.bytes), except: connection.connection)
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let peers = try await subscribers(20, port: port, to: topic)
                for (index, sender) in peers.enumerated() {
                    try sender.send([UInt8(index)])
                    for (other, peer) in peers.enumerated() where other != index {
                        #expect(try peer.receive(1) == [UInt8(index)])
                    }
                }
                #expect(!Peer.anyAnswers(peers, within: .zero))
            }
        }

        @Test("subscribing twice is once; leaving ends it; who closes leaves by itself", arguments: testedDrivers)
        func membership(driver: Driver) async throws {
            let topic = Topic()
            let other = Topic()
            var behaviour = Behaviour()
            behaviour.received = { (bytes, connection) throws(IOCPError) in
                for index in 0..<bytes.count {
                    switch bytes.bytes.byte(at: index) {
                    case UInt8(ascii: "s"): try connection.subscribe(to: topic)
                    case UInt8(ascii: "o"): try connection.subscribe(to: other)
                    case UInt8(ascii: "u"): connection.unsubscribe(from: topic)
                    default: break
                    }
                }
                try connection.send(".")
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, ledger in
                try publish([1], to: topic) // to nobody
                var peers = try (0..<30).map { _ in try Peer.connect(port: port) }
                for peer in peers {
                    try peer.send(Array("usoosu".utf8) + [0])
                    try #require(try peer.receive(1) == [46])
                }
                #expect(topic.subscriberCount == 0 && other.subscriberCount == 30)
                try publish([2], to: topic)
                for peer in peers { try peer.send(Array("s".utf8)) }
                for peer in peers { try #require(try peer.receive(1) == [46]) }
                try publish([3], to: topic)
                for peer in peers { #expect(try peer.receive(1) == [3]) }
                for _ in 0..<20 { peers.remove(at: .random(in: 0..<peers.count)) }
                try await eventually("they left") { topic.subscriberCount == 10 && other.subscriberCount == 10 }
                try publish([4], to: topic)
                try publish([5], to: other)
                for peer in peers { #expect(try peer.receive(2).sorted() == [4, 5]) }
                #expect(ledger.snapshot.violations.isEmpty)
            }
            #expect(topic.subscriberCount == 0 && other.subscriberCount == 0)
        }

        @Test("who comes and goes while messages fly gets a stretch of them without a gap", arguments: testedDrivers)
        func churn(driver: Driver) async throws {
            let topic = Topic()
            let isOver = Locked(false)
            try await withServer(driver, { _ in }, subscribing(to: topic)) { _, port, _ in
                let stayers = try await subscribers(10, port: port, to: topic)
                let published = Locked(0)
                try await onThreads(2) { thread in
                    if thread == 0 {
                        defer { isOver.withLock { $0 = true } }
                        for _ in 0..<40 {
                            let guests = try (0..<10).map { _ in try Peer.connect(port: port) }
                            for guest in guests {
                                let numbers = messages(try guest.receive(8 * 5)).map(\.number)
                                #expect(numbers == Array(numbers[0]..<numbers[0] + 5))
                            }
                        }
                    } else {
                        while !isOver.withLock({ $0 }) {
                            let number = published.withLock { $0 }
                            try publish(message(0, number), to: topic)
                            published.withLock { $0 += 1 }
                            usleep(50)
                        }
                    }
                }
                let count = published.withLock { $0 }
                for peer in stayers { #expect(messages(try peer.receive(8 * count)).map(\.number) == Array(0..<count)) }
            }
        }

        @Test("nothing of it outlives its use", arguments: testedDrivers)
        func leaks(driver: Driver) async throws {
            weak var weakTopic: Topic?
            weak var weakBytes: SharedBytes?
            do {
                let topic = Topic()
                weakTopic = topic
                try await withServer(driver, { _ in }, subscribing(to: topic)) { _, port, _ in
                    let peers = try await subscribers(10, port: port, to: topic)
                    let bytes = try SharedBytes([7])
                    weakBytes = bytes
                    try topic.publish(bytes)
                    for peer in peers { #expect(try peer.receive(1) == [7]) }
                }
            }
            #expect(weakTopic == nil)
            #expect(weakBytes == nil)
        }

        @Test("a raw loop subscribes by name, and delivers while it waits", arguments: testedDrivers)
        func raw(driver: Driver) async throws {
            let topic = Topic()
            let port = try CompletionPort(oneWorker(driver))
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                var peers = try (0..<4).map { _ in try Peer.connect(port: address.port) }
                var batch = CompletionBatch()
                while topic.subscriberCount < 4 {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(5))) {
                        if batch[index].event == .opened { try worker.subscribe(batch[index].connection!, to: topic) }
                    }
                }
                for number in 0..<100 { try publish(message(0, number), to: topic) }
                while port.stats(ofWorker: 0).sentBytes < 4 * 800 {
                    #expect(try worker.wait(into: &batch, timeout: .milliseconds(10)) == 0)
                }
                for peer in peers {
                    #expect(messages(try peer.receive(800)).map(\.number) == Array(0..<100))
                }
                peers.removeLast()
                var last: Connection?
                while topic.subscriberCount == 4 {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(5))) {
                        if case .closed = batch[index].event { last = batch[index].connection }
                    }
                }
                #expect(topic.subscriberCount == 3)
                let gone = try #require(last)
                let refused = refusal { () throws(IOCPError) in try worker.subscribe(gone, to: topic) }
                #expect(refused?.operation == .topic && refused?.name == "ENOTCONN")
                worker.unsubscribe(gone, from: topic)
                #expect(worker.missedCount(of: topic, on: gone) == 0)
            }
            #expect(topic.subscriberCount == 0) // the worker was released with its connections
            try publish([1], to: topic)
        }

        @Test("only the worker's thread subscribes", arguments: testedDrivers)
        func foreign(driver: Driver) async throws {
            let topic = Topic()
            let kept = Locked<Misplaced?>(nil)
            var behaviour = Behaviour()
            behaviour.opened = { (connection) throws(IOCPError) in
                let context = Misplaced(connection)
                kept.withLock { $0 = context }
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try await eventually("it opened") { kept.withLock { $0 != nil } }
                let context = try #require(kept.withLock { $0 })
                #expect(refusal { () throws(IOCPError) in try context.value.subscribe(to: topic) }?.name == "EPERM")
                #expect(topic.subscriberCount == 0)
                withExtendedLifetime(peer) {}
                kept.withLock { $0 = nil }
            }
        }
    }
}

/// A context on its way to a thread where it does not belong.
private final class Misplaced: @unchecked Sendable {
    let value: IocpContext<Counted>
    init(_ value: IocpContext<Counted>) { self.value = value }
}
