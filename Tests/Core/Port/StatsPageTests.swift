import CIOCPInternals
import Glibc
import SharedHarness
import Testing

@Suite struct StatsPageTests {
    /// A page of the core's, closed with its owner.
    private final class Page {
        var page = iocp_stats_page()

        init(workers: UInt32, driver: String = "sim") {
            precondition(iocp_stats_page_open(&page, workers, driver) == 0)
        }
        deinit { iocp_stats_page_close(&page) }

        /// Writes into the page behind its back.
        func write<Value>(_ value: Value, at offset: Int) {
            let written = withUnsafeBytes(of: value) { pwrite(page.fd, $0.baseAddress, $0.count, off_t(offset)) }
            precondition(written == MemoryLayout<Value>.size)
        }

        var size: Int { page.size_bytes }
        var cellsOffset: Int { iocp_stats_cells_offset(page.header) }
        var cellsEnd: Int { iocp_stats_histograms_offset(page.header) }
    }

    /// A view of a page, as another process would open it.
    private final class View {
        let view: OpaquePointer

        init(_ fd: Int32) throws {
            var opened: OpaquePointer?
            try #require(iocp_stats_view_open(fd, &opened) == 0)
            view = try #require(opened)
        }

        deinit { iocp_stats_view_close(view) }

        func worker(_ index: UInt32) -> iocp_worker_stats { iocp_stats_view_worker(view, index) }

        /// Copies the page again.
        func refresh() throws { try #require(iocp_stats_view_refresh(view) == 0) }
    }

    private static func open(_ fd: Int32) -> Int32 {
        var opened: OpaquePointer?
        let result = iocp_stats_view_open(fd, &opened)
        if result == 0 { iocp_stats_view_close(opened) }
        return result
    }

    static let fields: [(number: UInt32, name: String)] = (0..<IOCP_STATS_FIELD_COUNT.rawValue).map {
        ($0, String(cString: iocp_stats_field_at($0).pointee.name))
    }

    // MARK: - Round trips

    @Test func everyFieldOfEveryWorkerArrives() throws {
        let page = Page(workers: 3)
        let view = try View(page.page.fd)
        func value(_ worker: UInt32, _ field: UInt32) -> UInt64 {
            1 << 40 | UInt64(worker) << 32 | UInt64(field) << 8 | 7
        }
        for worker: UInt32 in 0..<3 {
            for (field, name) in Self.fields {
                var stats = view.worker(worker)
                #expect(iocp_worker_stats_value(&stats, field) == 0, "\(name) of \(worker) at first")
                internals_stats_field_set(&page.page, worker, field, value(worker, field))
            }
        }
        try view.refresh()
        for worker: UInt32 in 0..<3 {
            var stats = view.worker(worker)
            for (field, name) in Self.fields {
                #expect(iocp_worker_stats_value(&stats, field) == value(worker, field), "\(name) of \(worker)")
            }
        }
        for (field, name) in Self.fields {  // one after the other: a view shows what was there when it was refreshed
            internals_stats_field_add(&page.page, 1, field, 1000)
            var before = view.worker(1)
            #expect(iocp_worker_stats_value(&before, field) == value(1, field), "\(name) grown by itself")
            try view.refresh()
            var stats = view.worker(1)
            #expect(iocp_worker_stats_value(&stats, field) == value(1, field) + 1000, "\(name) grown")
        }
        #expect(Set(Self.fields.map(\.name)).count == Self.fields.count)
    }

    @Test func theHeaderArrives() throws {
        for driver in ["uring", "sim", "x", "a-name_that_is_too_long_for_its_place-4"] {
            let page = Page(workers: 5, driver: driver)
            let view = try View(page.page.fd)
            #expect(iocp_stats_view_worker_count(view.view) == 5)
            #expect(String(cString: iocp_stats_view_driver(view.view)) == String(driver.prefix(15)))
        }
    }

    @Test func aWorkerThatIsNoneHasNoStats() throws {
        let page = Page(workers: 2)
        for (field, _) in Self.fields { internals_stats_field_set(&page.page, 1, field, 5) }
        let view = try View(page.page.fd)
        for index: UInt32 in [2, 1024, .max] {
            var stats = view.worker(index)
            #expect(Self.fields.allSatisfy { iocp_worker_stats_value(&stats, $0.number) == 0 })
        }
    }

    @Test func aViewOutlivesItsDescriptorAndItsPage() throws {
        var page: Page? = Page(workers: 1)
        let copy = dup(try #require(page).page.fd)
        let view = try View(copy)
        close(copy)
        internals_stats_field_set(&page!.page, 0, 0, 41)
        page = nil
        try view.refresh()
        var stats = view.worker(0)
        #expect(iocp_worker_stats_value(&stats, 0) == 41)
    }

    // MARK: - The file

    /// Others do not get as far as the file: /proc/PID/fd is closed to them.
    @Test func onlyTheOwnerMayWriteIt() {
        let page = Page(workers: 1)
        var status = stat()
        #expect(fstat(page.page.fd, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o644)
        #expect(fcntl(page.page.fd, F_GETFD) & FD_CLOEXEC != 0)
    }

    /// How others find it.
    @Test func itsNameIsSeenInProc() {
        let page = Page(workers: 1)
        var name = [UInt8](repeating: 0, count: 128)
        let count = readlink("/proc/self/fd/\(page.page.fd)", &name, name.count)
        #expect(String(decoding: name.prefix(max(0, count)), as: UTF8.self).hasPrefix("/memfd:iocp-stats"))
    }

    @Test func cellsShareNoCacheLine() {
        let page = Page(workers: 4)
        #expect((page.cellsEnd - page.cellsOffset) % (4 * Int(IOCP_CACHE_LINE_BYTES)) == 0)
        #expect(UInt(bitPattern: page.page.cells) % UInt(IOCP_CACHE_LINE_BYTES) == 0)
    }

    // MARK: - What is no page

    /// Where things stand in iocp_stats_header, which is what a reader of another version would get wrong.
    private enum Offset {
        static let magic = 0, version = 8, cellBytes = 12, workerCount = 16, driver = 24
    }

    @Test func truncatedPagesAreRefused() {
        for size in [0, 1, 63, 64, 65, 103, 104, Page(workers: 2).cellsOffset] {
            let page = Page(workers: 2)
            #expect(ftruncate(page.page.fd, off_t(size)) == 0)
            #expect(Self.open(page.page.fd) == -EPROTO, "\(size) bytes")
        }
        let page = Page(workers: 2)
        #expect(ftruncate(page.page.fd, off_t(page.size - 1)) == 0)
        #expect(Self.open(page.page.fd) == -EPROTO)
        #expect(ftruncate(page.page.fd, off_t(page.size)) == 0)
        #expect(Self.open(page.page.fd) == 0)
    }

    @Test func anotherVersionIsRefused() {
        for version: UInt32 in [0, 1, 3, .max] {
            let page = Page(workers: 1)
            page.write(version, at: Offset.version)
            #expect(Self.open(page.page.fd) == -EPROTO)
        }
    }

    @Test func anotherLayoutIsRefused() {
        let page = Page(workers: 1)
        let size = UInt32(page.cellsEnd - page.cellsOffset)
        for wrong: UInt32 in [0, size - 64, size + 256, .max] {
            page.write(wrong, at: Offset.cellBytes)
            #expect(Self.open(page.page.fd) == -EPROTO)
        }
        page.write(size, at: Offset.cellBytes)
        #expect(Self.open(page.page.fd) == 0)
    }

    @Test func moreWorkersThanThePageHoldsAreRefused() {
        for count: UInt32 in [2, 1024, 1025, .max] {
            let page = Page(workers: 1)
            page.write(count, at: Offset.workerCount)
            #expect(Self.open(page.page.fd) == -EPROTO)
        }
    }

    @Test func aDriverNameWithoutAnEndIsRefused() {
        let page = Page(workers: 1)
        page.write((UInt64.max, UInt64.max), at: Offset.driver)
        #expect(Self.open(page.page.fd) == -EPROTO)
    }

    @Test func garbageIsRefused() {
        var random = Randomness.announced()
        for _ in 0..<200 {
            let page = Page(workers: 2)
            for (at, byte) in random.bytes(40).enumerated() { page.write(byte, at: at) }
            #expect(Self.open(page.page.fd) == -EPROTO)
        }
        for _ in 0..<500 {  // one bit of the magic
            let page = Page(workers: 1)
            let magic = page.page.header.pointee.magic
            page.write(magic ^ 1 << UInt64(random.below(64)), at: Offset.magic)
            #expect(Self.open(page.page.fd) == -EPROTO)
        }
    }

    @Test func descriptorsOfOtherThingsAreRefused() {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(Self.open(ends[0]) == -EPROTO)
        let null = Glibc.open("/dev/zero", O_RDONLY)
        defer { close(null) }
        #expect(Self.open(null) == -EPROTO)
        #expect(Self.open(-1) == -EBADF)
    }

    /// What a name may hold is printed on somebody's terminal.
    @Test func aDriverNameOfOtherLettersIsRefused() {
        for name in ["\u{1b}[31mred", "u ring", "Uring", "uring\n", "\u{7f}", "é", ""] {
            let page = Page(workers: 1, driver: "uring")
            var bytes: [UInt8] = Array(name.utf8) + Array(repeating: 0, count: 16 - name.utf8.count)
            #expect(pwrite(page.page.fd, &bytes, 16, off_t(Offset.driver)) == 16)
            #expect(Self.open(page.page.fd) == -EPROTO, "\(bytes)")
        }
    }

    // MARK: - A page that another process goes on writing

    @Test func aCountThatGrowsLaterIsNotBelieved() throws {
        let page = Page(workers: 1)
        let view = try View(page.page.fd)
        for count: UInt32 in [0, 2, 1024, .max] {
            page.write(count, at: Offset.workerCount)
            #expect(iocp_stats_view_refresh(view.view) == -EPROTO)
            #expect(iocp_stats_view_worker_count(view.view) == 1)
            var stats = view.worker(1 << 20)
            #expect(iocp_worker_stats_value(&stats, 0) == 0)
        }
    }

    /// A page that was mapped ended the reader with SIGBUS here.
    @Test func aPageThatIsCutShortLaterIsRefused() async {
        await #expect(processExitsWith: .success) {
            let page = Page(workers: 1024)
            let view = try View(page.page.fd)
            internals_stats_field_set(&page.page, 1023, 0, 41)
            precondition(iocp_stats_view_refresh(view.view) == 0)
            var last = view.worker(1023)
            precondition(iocp_worker_stats_value(&last, 0) == 41)
            for size in [page.cellsEnd - 1, 4096, 64, 0] {
                precondition(ftruncate(page.page.fd, off_t(size)) == 0)
                precondition(iocp_stats_view_refresh(view.view) == -EPROTO)
                _ = view.worker(1023)
            }
        }
    }

    /// A name that looks like a page's, on what must not even be opened: a pipe's reader would wait for a writer.
    @Test func aPathThatLeadsElsewhereIsNotOpened() throws {
        let page = Page(workers: 3)
        var opened: OpaquePointer?
        #expect(iocp_stats_view_open_path("/proc/self/fd/\(page.page.fd)", &opened) == 0)
        #expect(iocp_stats_view_worker_count(try #require(opened)) == 3)
        iocp_stats_view_close(opened)
        var name = Array("/tmp/iocp-stats-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&name).map { String(cString: $0) })
        let pipe = folder + "/memfd:iocp-stats"
        #expect(mkfifo(pipe, 0o600) == 0)
        defer {
            unlink(pipe)
            rmdir(folder)
        }
        #expect(iocp_stats_view_open_path(pipe, &opened) == -EPROTO)
        #expect(iocp_stats_view_open_path("/dev/zero", &opened) == -EPROTO)
        #expect(iocp_stats_view_open_path("/proc/self/status", &opened) == -EPROTO)
        #expect(iocp_stats_view_open_path(folder, &opened) == -EPROTO)
        #expect(iocp_stats_view_open_path(folder + "/none", &opened) == -ENOENT)
    }
}
