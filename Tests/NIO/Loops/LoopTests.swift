#if NIO
import Dispatch
import IOCPNIO
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// What NIO's loops promise, on NIO's group and on this one.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct LoopTests {
    @Test("tasks of a thread run in its order, from eight threads at a time", arguments: Transport.allCases)
    func order(transport: Transport) async throws {
        try await transport.withGroup { group in
            let loop = group.next()
            let seen = Mutex([[Int]](repeating: [], count: 8))
            let done = DispatchGroup()
            for thread in 0..<8 {
                DispatchQueue(label: "thread \(thread)").async(group: done) {
                    for index in 0..<5000 { loop.execute { seen.withLock { $0[thread].append(index) } } }
                }
            }
            try await eventually("all ran") { seen.withLock { $0.allSatisfy { $0.count == 5000 } } }
            #expect(seen.withLock { $0.allSatisfy { $0 == Array(0..<5000) } })
        }
    }

    @Test(
        "scheduled tasks run by their deadlines, and those of one deadline in their order",
        arguments: Transport.allCases)
    func deadlines(transport: Transport) async throws {
        try await transport.withGroup { group in
            let loop = group.next()
            let seen = Mutex<[String]>([])
            let base = NIODeadline.now()
            let tasks = try await loop.submit {
                [(30, "c"), (10, "a"), (20, "b1"), (20, "b2"), (20, "b3")].map { delay, name in
                    loop.scheduleTask(deadline: base + .milliseconds(Int64(delay))) {
                        seen.withLock { $0.append(name) }
                    }
                }
            }.get()
            for task in tasks { try await task.futureResult.get() }
            #expect(seen.withLock { $0 } == ["a", "b1", "b2", "b3", "c"])
            #expect(NIODeadline.now() - base >= .milliseconds(30))
        }
    }

    @Test("a cancelled task does not run, wherever it is cancelled", arguments: Transport.allCases)
    func cancellation(transport: Transport) async throws {
        try await transport.withGroup { group in
            let loop = group.next()
            let ran = Atomic(0)
            for fromLoop in [true, false] {
                let task = loop.scheduleTask(in: .milliseconds(20)) { _ = ran.wrappingAdd(1, ordering: .relaxed) }
                if fromLoop { try await loop.submit { task.cancel() }.get() } else { task.cancel() }
                #expect(await failure(of: task.futureResult) as? EventLoopError == .cancelled)
            }
            try await Task.sleep(for: .milliseconds(60))
            #expect(ran.load(ordering: .relaxed) == 0)
        }
    }

    /// As a handler that keeps its timeout, and is kept by it.
    private final class Keeper: Sendable {
        let task = Mutex<Scheduled<Void>?>(nil)
    }

    private final class Watched: @unchecked Sendable {
        // @unchecked: written once; a weak reference is read safely on any thread.
        private(set) weak var keeper: Keeper?

        init(_ loop: any EventLoop, _ delay: TimeAmount) {
            let made = Keeper()
            made.task.withLock { $0 = loop.scheduleTask(in: delay) { _ = made } }
            keeper = made
        }

        var isGone: Bool { keeper == nil }
        func cancel() { keeper?.task.withLock { $0?.cancel() } }
    }

    @Test("a task that ran, failed or was cancelled holds nothing, though its handle is kept", arguments: Transport.allCases)
    func keepers(transport: Transport) async throws {
        let group = try transport.group(1)
        let loop = group.next()
        let ran = Watched(loop, .milliseconds(1))
        let (elsewhere, there, failed) = (Watched(loop, .hours(1)), Watched(loop, .hours(1)), Watched(loop, .hours(1)))
        elsewhere.cancel()
        try await loop.submit { there.cancel() }.get()
        for watched in [ran, elsewhere, there] { try await eventually("it went") { watched.isGone } }
        try await group.shutdownGracefully()
        try await eventually("what was left went") { failed.isGone }
        guard transport != .nio else { return }
        let late = Watched(loop, .milliseconds(1))
        try await eventually("and what came behind the end") { late.isGone }
    }

    @Test(
        "a loop is an executor: an actor's code, and that of a task, runs on its thread", arguments: Transport.allCases)
    func executor(transport: Transport) async throws {
        try await transport.withGroup { group in
            let loop = group.next()
            let resident = Resident(loop)
            #expect(await resident.isAtHome())
            guard let loop = loop as? IOCPEventLoop else { return }
            let isThere = await Task(executorPreference: loop.taskExecutor) {
                try? await Task.sleep(for: .milliseconds(1))
                return loop.inEventLoop
            }.value
            #expect(isThere)
        }
    }

    private actor Resident {
        private let loop: any EventLoop
        nonisolated let unownedExecutor: UnownedSerialExecutor

        init(_ loop: any EventLoop) {
            self.loop = loop
            unownedExecutor = loop.executor.asUnownedSerialExecutor()
        }

        func isAtHome() async -> Bool {
            guard loop.inEventLoop else { return false }
            await Task.yield()
            return loop.inEventLoop
        }
    }

    @Test("a shutdown closes channels, fails what is scheduled, and runs what waits", arguments: Transport.allCases)
    func shutdown(transport: Transport) async throws {
        let group = try transport.group(2)
        let visit = try await Visit(transport, group)
        // Asked before: a loop that has ended calls nobody back.
        let late = group.next().scheduleTask(in: .hours(1)) {}.futureResult
        async let lateError = failure(of: late)
        try await Task.sleep(for: .milliseconds(20))
        let start = NIODeadline.now()
        try await group.shutdownGracefully()
        #expect(NIODeadline.now() - start < .seconds(10))
        let error = await lateError
        #expect(error as? EventLoopError == .shutdown)
        #expect(!visit.listener.isActive && !visit.server.isActive)
        #expect(visit.events.events.suffix(2) == ["inactive", "unregistered"])
        visit.peer.reset()
    }

    @Test("what comes after the end runs all the same, and keeps its promises", arguments: [Transport.uring, .epoll])
    func afterTheEnd(transport: Transport) async throws {
        let group = try transport.group(1)
        let loop = group.next()
        try await group.shutdownGracefully()
        #expect(!loop.inEventLoop)
        #expect(try await loop.submit { loop.inEventLoop }.get())
        let promise = loop.makePromise(of: Int.self)
        promise.succeed(7)
        #expect(try await promise.futureResult.map { $0 + 1 }.get() == 8)
        #expect(await failure(of: loop.scheduleTask(in: .zero) {}.futureResult) as? EventLoopError == .shutdown)
        let resident = Resident(loop)
        #expect(await resident.isAtHome())
        let connect = await failure(of: IOCPClientBootstrap(group: loop).connect(host: "127.0.0.1", port: 1))
        #expect(connect != nil)
    }

    @Test("the process's group is one, and is not shut down", arguments: [true, false])
    func singleton(isOurs: Bool) async throws {
        let group: any EventLoopGroup = isOurs ? IOCPEventLoopGroup.singleton : MultiThreadedEventLoopGroup.singleton
        #expect(try await group.next().submit { 7 }.get() == 7)
        await #expect(throws: EventLoopError.unsupportedOperation) { try await group.shutdownGracefully() }
        #expect(try await group.next().submit { 8 }.get() == 8)
        #expect(IOCPEventLoopGroup.singleton === IOCPEventLoopGroup.singleton)
    }

    @Test("a group refuses bootstraps of the other kind")
    func kinds() async throws {
        try await Transport.nio.withGroup { group in
            #expect(
                IOCPServerBootstrap(validatingGroup: group) == nil && IOCPClientBootstrap(validatingGroup: group) == nil
            )
        }
        try await Transport.uring.withGroup { group in
            #expect(IOCPServerBootstrap(validatingGroup: group.next()) != nil)
        }
    }
}
#endif
