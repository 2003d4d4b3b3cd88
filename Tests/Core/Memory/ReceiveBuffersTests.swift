import CIOCPInternals
import Glibc
import SharedHarness
import Testing

@Suite struct ReceiveBuffersTests {
    /// What a returned buffer is filled with, in debug builds.
    static let poison: UInt8? = {
        #if DEBUG
            0xdb
        #else
            nil
        #endif
    }()

    @Test func theDriverGetsNoMoreThanTheTarget() {
        let buffers = ReceiveBuffers(large: 32, bytes: 64 << 10)
        #expect(iocp_receive_buffers_provide(buffers.pointer, IOCP_BUFFER_SMALL) == -ENOBUFS)  // the class is not used
        let first = buffers.provideAll()
        #expect(first == Array(0..<8))
        #expect(iocp_receive_buffers_provide(buffers.pointer, IOCP_BUFFER_LARGE) == -ENOBUFS)
        #expect(buffers.range().provided_count == 8)
    }

    @Test func theDriverGetsWhatACacheHolds() {
        func target(_ bytes: UInt32, of count: UInt32) -> UInt32 {
            ReceiveBuffers(large: count, bytes: bytes).range().provided_target
        }
        #expect(target(64 << 10, of: 64) == 8)
        #expect(target(128 << 10, of: 64) == 4)
        #expect(target(1 << 20, of: 64) == 2)
        #expect(target(4096, of: 256) == 128)
        #expect(target(4096, of: 20) == 20)  // every buffer there is
        let both = ReceiveBuffers(large: 64, bytes: 64 << 10, small: 1024, smallBytes: 4096)
        #expect(both.range(IOCP_BUFFER_LARGE).provided_target == 8)
        #expect(both.range(IOCP_BUFFER_SMALL).provided_target == 128)
    }

    @Test func classesHaveTheirOwnIdsSizesAndMemory() {
        let buffers = ReceiveBuffers(large: 4, bytes: 8192, small: 8, smallBytes: 4096)
        let large = buffers.provideAll(IOCP_BUFFER_LARGE)
        let small = buffers.provideAll(IOCP_BUFFER_SMALL)
        #expect(large == Array(0..<4) && small == Array(4..<12))
        #expect(large.allSatisfy { buffers.kind($0) == IOCP_BUFFER_LARGE })
        #expect(small.allSatisfy { buffers.kind($0) == IOCP_BUFFER_SMALL })
        let ends = (large + small).map { id in
            let start = UInt(bitPattern: buffers.start(id))
            return (start, start + UInt(buffers.range(buffers.kind(id)).buffer_bytes))
        }
        #expect(ends[0].0 % 4096 == 0)
        #expect(zip(ends, ends.dropFirst()).allSatisfy { $0.1 == $1.0 })  // side by side, nothing shared
        buffers.start(11)[4095] = 1  // the last byte is there
    }

    @Test func theHottestBufferIsProvidedNext() {
        let buffers = ReceiveBuffers(large: 8)
        #expect(buffers.provideAll().count == 8)
        for id: UInt16 in [5, 2, 7] { buffers.driverDone(id) }
        #expect(buffers.provideAll() == [7, 2, 5])
    }

    /// The driver and every lease must let go, in whatever order, before a buffer is provided again.
    @Test(arguments: 0..<3, [true, false])
    func aBufferIsFreeWhenNobodyHoldsIt(driverLeavesAt: Int, oneByOne: Bool) {
        let buffers = ReceiveBuffers(large: 2)
        let id = buffers.provide()!
        _ = buffers.provide()
        buffers.lease(id)
        buffers.lease(id)
        #expect(buffers.leases == 2)
        for step in 0..<3 {
            #expect(buffers.range().free_count == 0)
            if step == driverLeavesAt { buffers.driverDone(id) } else { buffers.giveBack(id) }
            if oneByOne && step < 2 { #expect(buffers.provide() == nil) }
        }
        #expect(buffers.leases == 0)
        #expect(buffers.provide() == id)
    }

    /// A lease keeps a buffer from the driver, not the driver from its next one.
    @Test func leasedBuffersAreNotCountedAsProvided() {
        let buffers = ReceiveBuffers(large: 12, bytes: 64 << 10)
        for id in buffers.provideAll() {
            buffers.lease(id)
            buffers.driverDone(id)
        }
        #expect(buffers.range().provided_count == 0)
        #expect(buffers.provideAll() == [8, 9, 10, 11])
        for id: UInt16 in 0..<8 { buffers.giveBack(id) }
        #expect(buffers.provideAll() == [7, 6, 5, 4])
    }

    @Test(.enabled(if: Self.poison != nil, "release builds do not write over returned buffers"))
    func aReturnedBufferIsPoisoned() throws {
        let poison = try #require(Self.poison)
        let buffers = ReceiveBuffers(large: 2, small: 2)
        for kind in [IOCP_BUFFER_LARGE, IOCP_BUFFER_SMALL] {
            let id = buffers.provide(kind)!
            let other = buffers.provide(kind)!
            buffers.start(id).update(repeating: 1, count: Int(buffers.range(kind).buffer_bytes))
            buffers.start(other).update(repeating: 2, count: Int(buffers.range(kind).buffer_bytes))
            buffers.lease(id)
            buffers.driverDone(id)
            #expect(buffers.contents(id).allSatisfy { $0 == 1 })  // still lent
            buffers.giveBack(id)
            #expect(buffers.contents(id).allSatisfy { $0 == poison })
            #expect(buffers.contents(other).allSatisfy { $0 == 2 })
        }
    }

    /// Against a model of who holds what.
    @Test(arguments: [(16, 0), (4, 16), (300, 0)] as [(UInt32, UInt32)])
    func randomHolders(large: UInt32, small: UInt32) {
        var random = Randomness.announced()
        // Of 64 KiB, of which 8 are provided.
        let buffers = ReceiveBuffers(large: large, bytes: 64 << 10, small: small, smallBytes: 64 << 10)
        var free: [[UInt16]] = [
            (0..<UInt16(large)).reversed(), (0..<UInt16(small)).map { UInt16(large) + $0 }.reversed(),
        ]
        var driver: [Set<UInt16>] = [[], []]
        let target = [min(8, Int(large)), min(8, Int(small))]
        var leases: [UInt16: Int] = [:]

        func freeIfUnheld(_ id: UInt16, _ kind: Int) {
            if !driver[kind].contains(id) && leases[id] == nil { free[kind].append(id) }
        }
        for _ in 0..<20_000 {
            let kind = small > 0 ? random.below(2) : 0
            let name = iocp_buffer_class(rawValue: UInt8(kind))
            switch random.below(7) {
            case 0...2:
                let expected = driver[kind].count < target[kind] ? free[kind].popLast() : nil
                #expect(buffers.provide(name) == expected)
                if let expected { driver[kind].insert(expected) }
            case 3, 4:
                guard let id = driver[kind].randomElement(using: &random) else { break }
                buffers.lease(id)
                leases[id, default: 0] += 1
            case 5:
                guard let id = driver[kind].randomElement(using: &random) else { break }
                buffers.driverDone(id)
                driver[kind].remove(id)
                freeIfUnheld(id, kind)
            default:
                guard let id = leases.keys.randomElement(using: &random) else { break }
                buffers.giveBack(id)
                leases[id]! -= 1
                if leases[id] == 0 { leases[id] = nil }
                freeIfUnheld(id, id < large ? 0 : 1)
            }
            #expect(Int(buffers.leases) == leases.values.reduce(0, +))
            #expect(Int(buffers.range(name).provided_count) == driver[kind].count)
            #expect(Int(buffers.range(name).free_count) == free[kind].count)
        }
        for (id, count) in leases { for _ in 0..<count { buffers.giveBack(id) } }
    }

    // MARK: - Traps

    @Test func returningTwiceTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let buffers = ReceiveBuffers(large: 2)
            let id = buffers.provide()!
            buffers.lease(id)
            buffers.driverDone(id)
            buffers.giveBack(id)
            buffers.giveBack(id)
        }
        expectMessage(result, "a receive lease was returned twice")
    }

    @Test func returningTwiceTrapsWhileTheDriverHoldsTheBuffer() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let buffers = ReceiveBuffers(large: 2)
            let id = buffers.provide()!
            buffers.lease(id)
            buffers.giveBack(id)
            buffers.giveBack(id)
        }
        expectMessage(result, "a receive lease was returned twice")
    }

    @Test func aDriverThatGivesBackTwiceTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let buffers = ReceiveBuffers(large: 2)
            let id = buffers.provide()!
            buffers.lease(id)
            buffers.driverDone(id)
            buffers.driverDone(id)
        }
        expectMessage(result, "a driver gave back a buffer it did not hold")
    }

    @Test func closingWithLeasesTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let buffers = ReceiveBuffers(large: 2)
            let id = buffers.provide()!
            buffers.lease(id)
            iocp_receive_buffers_close(buffers.pointer)
        }
        expectMessage(result, "received bytes are still lent at the port's end")
    }

    @Test func closingAfterAFailedOpenIsHarmless() {
        let pointer: UnsafeMutablePointer<iocp_receive_buffers> = .allocate(capacity: 1)
        defer { pointer.deallocate() }
        // 16 EiB: more than any address space.
        #expect(iocp_receive_buffers_open(pointer, 0, .max, .max, 0, 0) == -ENOMEM)
        iocp_receive_buffers_close(pointer)
        #expect(pointer.pointee.holders == nil && pointer.pointee.arena.start == nil)
    }
}
