import CIOCPInternals
import Glibc
import Testing

@Suite struct ArenaTests {
    @Test(arguments: [1, 4096, 4097, 2 * 1024 * 1024, 2 * 1024 * 1024 + 1])
    func memoryIsWholeZeroedPages(size: Int) {
        var arena = iocp_arena()
        #expect(iocp_arena_open(&arena, size, 0) == 0)
        #expect(arena.size_bytes >= size)
        #expect(arena.size_bytes % 4096 == 0 && UInt(bitPattern: arena.start) % 4096 == 0)
        #expect(UnsafeBufferPointer(start: arena.start, count: size).allSatisfy { $0 == 0 })
        arena.start[arena.size_bytes - 1] = 1
        iocp_arena_close(&arena)
        #expect(arena.start == nil && arena.size_bytes == 0)
    }

    @Test func closingWhatNeverOpenedIsHarmless() {
        var arena = iocp_arena()
        iocp_arena_close(&arena)
        #expect(arena.start == nil)
    }

    @Test func aRefusalIsAnError() {
        var arena = iocp_arena()
        #expect(iocp_arena_open(&arena, 1 << 60, 0) == -ENOMEM)
        #expect(arena.start == nil)
        #expect(iocp_arena_open(&arena, 0, 0) == -EINVAL)
    }

    /// Reserved by the gigabyte, paid for by the page.
    @Test func untouchedMemoryCostsNothing() throws {
        var arena = iocp_arena()
        try #require(iocp_arena_open(&arena, 1 << 34, 0) == 0)
        defer { iocp_arena_close(&arena) }
        arena.start[0] = 1
        arena.start[(1 << 34) - 1] = 1
    }
}
