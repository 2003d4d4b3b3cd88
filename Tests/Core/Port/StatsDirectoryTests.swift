import CIOCPInternals
import Glibc
import Testing

/// Pages of builds whose table is another.
@Suite struct StatsDirectoryTests {
    private final class View {
        let view: OpaquePointer
        let fd: Int32

        init(_ bytes: [UInt8]) throws {
            fd = ForeignPage.file(bytes)
            var opened: OpaquePointer?
            try #require(iocp_stats_view_open(fd, &opened) == 0)
            view = try #require(opened)
        }

        deinit {
            iocp_stats_view_close(view)
            close(fd)
        }

        var count: UInt32 { iocp_stats_view_field_count(view) }
        func field(_ index: UInt32) -> iocp_stats_field { iocp_stats_view_field(view, index).pointee }
        func name(_ index: UInt32) -> String { String(cString: field(index).name) }
        func known(_ index: UInt32) -> UInt32 { iocp_stats_view_field_known(view, index) }
        func value(_ worker: UInt32, _ index: UInt32) -> UInt64 { iocp_stats_view_value(view, worker, index) }
        func worker(_ index: UInt32) -> iocp_worker_stats { iocp_stats_view_worker(view, index) }
        var mask: Set<Int> {
            let words = iocp_stats_view_known(view).words
            return Set((0..<128).filter { ($0 < 64 ? words.0 >> $0 : words.1 >> ($0 - 64)) & 1 != 0 })
        }
    }

    private static var table: [iocp_stats_field] {
        (0..<IOCP_STATS_FIELD_COUNT.rawValue).map { iocp_stats_field_at($0).pointee }
    }

    /// The rows of this build's table, as a page has them.
    private static var own: [ForeignPage.Field] {
        table.map {
            .init(
                String(cString: $0.name), kind: $0.kind.rawValue, unit: $0.unit.rawValue, total: $0.total.rawValue)
        }
    }

    private static var histograms: [iocp_stats_field] {
        (0..<IOCP_STATS_HISTOGRAM_COUNT.rawValue).map { iocp_stats_histogram_at($0).pointee }
    }

    private static var ownHistograms: [ForeignPage.Field] {
        histograms.map {
            .init(
                String(cString: $0.name), kind: $0.kind.rawValue, unit: $0.unit.rawValue, total: $0.total.rawValue)
        }
    }

    // MARK: - This build's own

    @Test func aPageOfThisBuildNamesItsTable() throws {
        var page = iocp_stats_page()
        try #require(iocp_stats_page_open(&page, 2, "sim") == 0)
        defer { iocp_stats_page_close(&page) }
        var bytes = [UInt8](repeating: 0, count: page.size_bytes)
        try #require(pread(page.fd, &bytes, bytes.count, 0) == bytes.count)
        let view = try View(bytes)
        #expect(view.count == UInt32(Self.table.count) && view.mask == Set(0..<Self.table.count))
        for (index, row) in Self.table.enumerated() {
            let field = view.field(UInt32(index))
            #expect(view.known(UInt32(index)) == UInt32(index) && view.name(UInt32(index)) == String(cString: row.name))
            #expect(field.kind == row.kind && field.unit == row.unit && field.total == row.total)
            #expect(String(cString: field.summary) == String(cString: row.summary))
        }
        #expect(iocp_stats_view_field(view.view, view.count) == nil)
        #expect(view.known(view.count) == IOCP_STATS_FIELD_NONE && view.value(0, view.count) == 0)
        // Byte for byte what the layout says, but for the process and its driver.
        var due = ForeignPage(Self.own, [[], []])
        (due.histograms, due.bucketCount) = (Self.ownHistograms, UInt32(IOCP_STATS_BUCKETS))
        due.counterRoom = UInt32(IOCP_STATS_COUNTERS_MAX)
        #expect(due.bytes.count == bytes.count)
        for directory in [64..<iocp_stats_cells_offset(page.header), iocp_stats_histograms_offset(page.header)..<bytes.count] {
            #expect(Array(due.bytes[directory]) == Array(bytes[directory]))
        }
        #expect(Array(due.bytes[..<20]) == Array(bytes[..<20]) && Array(due.bytes[40..<64]) == Array(bytes[40..<64]))
    }

    // MARK: - As far as they agree

    @Test func aPageWithFewerFieldsLacksTheOthers() throws {
        let older = ForeignPage([Self.own[4], Self.own[0]], [[11, 12], [21, 22]])
        let view = try View(older.bytes)
        #expect(view.count == 2 && view.mask == [0, 4])
        #expect(view.known(0) == 4 && view.known(1) == 0)
        for (worker, (received, open)) in [(11, 12), (21, 22)].enumerated() {
            var stats = view.worker(UInt32(worker))
            #expect(stats.cpu == worker && stats.node == 7)
            #expect(stats.received_bytes == received && stats.connections == open)
            for index: UInt32 in 0..<IOCP_STATS_FIELD_COUNT.rawValue where index != 0 && index != 4 {
                #expect(iocp_worker_stats_value(&stats, index) == 0)
            }
        }
    }

    @Test func aPageWithMoreFieldsShowsThemUnderTheirNames() throws {
        let foreign = ForeignPage.Field("tea_breaks", kind: 2, unit: 3, total: 2)
        var newer = ForeignPage([foreign] + Self.own.reversed() + [.init("x9")], [])
        newer.values = (0..<3).map { worker in newer.fields.indices.map { UInt64(worker * 1000 + $0) } }
        newer.entryBytes = 72
        newer.cellBytes = 1000
        let view = try View(newer.bytes)
        let last = UInt32(newer.fields.count - 1)
        #expect(view.count == last + 1 && view.mask == Set(0..<Self.table.count))
        #expect(view.known(0) == IOCP_STATS_FIELD_NONE && view.known(last) == IOCP_STATS_FIELD_NONE)
        #expect(view.name(0) == "tea_breaks" && view.name(last) == "x9")
        #expect(view.field(0).kind == IOCP_STATS_KIND_GAUGE && view.field(0).unit == IOCP_STATS_UNIT_NANOSECONDS)
        #expect(view.field(0).total == IOCP_STATS_TOTAL_NEWEST && String(cString: view.field(0).summary) == "")
        for worker: UInt32 in 0..<3 {
            var stats = view.worker(worker)
            for place in 0...last {
                let due = UInt64(worker * 1000 + place)
                #expect(view.value(worker, place) == due)
                if view.known(place) != IOCP_STATS_FIELD_NONE {
                    #expect(view.known(place) == last - 1 - place)
                    #expect(iocp_worker_stats_value(&stats, view.known(place)) == due)
                }
            }
        }
        #expect(view.value(3, 0) == 0)
    }

    /// What a build means by a name it says by kind and unit; another meaning is another field.
    @Test(arguments: [(2, 1), (1, 2), (9, 1), (1, 0)] as [(UInt8, UInt8)])
    func aNameWithAnotherMeaningIsAnotherField(kind: UInt8, unit: UInt8) throws {
        let view = try View(ForeignPage([.init("accepted", kind: kind, unit: unit)], [[5]]).bytes)
        #expect(view.known(0) == IOCP_STATS_FIELD_NONE && view.mask.isEmpty)
        #expect(view.name(0) == "accepted" && view.value(0, 0) == 5 && view.worker(0).accepted == 0)
    }

    @Test func codesOfLaterBuildsAreUnknown() throws {
        for code: UInt8 in [0, 3, 6, 128, 255] {
            let view = try View(ForeignPage([.init("later", kind: code, unit: code, total: code)], [[5]]).bytes)
            #expect(view.field(0).kind == (code == 3 ? IOCP_STATS_KIND_HISTOGRAM : IOCP_STATS_KIND_UNKNOWN))
            #expect(view.field(0).unit == (code == 3 ? IOCP_STATS_UNIT_NANOSECONDS : IOCP_STATS_UNIT_UNKNOWN))
            #expect(view.field(0).total == IOCP_STATS_TOTAL_NONE)
        }
    }

    @Test func histogramsOfOtherBuildsAreReadByTheirNames() throws {
        let without = try View(ForeignPage([.init("one")], [[1]]).bytes)
        #expect(iocp_stats_view_histogram_count(without.view) == 0)
        var page = ForeignPage([.init("one")], [[1], [2]])
        page.histograms = [.init("later", kind: 3, unit: 2), Self.ownHistograms[1]]
        page.bucketCount = 40
        // The first 2 of later's buckets, the last of ours.
        page.counts = (1...2).map { worker in
            var row = [UInt64](repeating: 0, count: 2 * 41)
            (row[0], row[1], row[2], row[41], row[41 + 32], row[41 + 40]) = (9 * UInt64(worker), 5, 6, 7, 3, 4)
            return row
        }
        let held = try View(page.bytes)
        let view = held.view
        #expect(iocp_stats_view_histogram_count(view) == 2)
        #expect(String(cString: iocp_stats_view_histogram(view, 0).pointee.name) == "later")
        #expect(iocp_stats_view_histogram_known(view, 0) == IOCP_STATS_FIELD_NONE)
        #expect(iocp_stats_view_histogram_known(view, 1) == 1)
        #expect(iocp_stats_view_histogram(view, 2) == nil)
        let later = iocp_stats_view_histogram_value(view, 1, 0), own = iocp_stats_view_histogram_value(view, 0, 1)
        #expect(later.sum == 18 && later.buckets.0 == 5 && later.buckets.1 == 6 && later.buckets.31 == 0)
        #expect(own.sum == 7 && own.buckets.30 == 0 && own.buckets.31 == 7, "values beyond the last range count there")
        #expect(iocp_stats_view_histogram_value(view, 2, 0).sum == 0 && iocp_stats_view_histogram_value(view, 0, 2).sum == 0)
    }

    @Test(arguments: [(48, 17), (48, .max), (52, 65), (52, 0), (52, .max), (48, 16)] as [(Int, UInt32)])
    func hostileHistogramsAreRefused(offset: Int, number: UInt32) {
        var page = ForeignPage([.init("one")], [[1]])
        (page.histograms, page.bucketCount) = ([.init("h")], 32)
        #expect(page.opening() == 0)
        page.claims = (offset, number)
        #expect(page.opening() == -EPROTO)
        page.claims = nil
        page.histograms = [.init("h"), .init("h")]
        #expect(page.opening() == -EPROTO, "two of one name")
        page.histograms = [.init("\u{1b}[31m")]
        #expect(page.opening() == -EPROTO, "an escape sequence")
    }

    @Test func countersOfTheApplicationAreReadAsTheyAre() throws {
        var page = ForeignPage([.init("accepted")], [[1], [2]])
        page.counterRoom = 3
        // The name of a field of this build is none of its fields here.
        page.counters = [.init("orders"), .init("accepted", kind: 2)]
        page.numbers = [[1, 10], [2, 20], [4, .max]]
        let held = try View(page.bytes)
        #expect(iocp_stats_view_counter_count(held.view) == 2)
        #expect(String(cString: iocp_stats_view_counter(held.view, 0).pointee.name) == "orders")
        #expect(iocp_stats_view_counter(held.view, 1).pointee.kind == IOCP_STATS_KIND_GAUGE)
        #expect(String(cString: iocp_stats_view_counter(held.view, 1).pointee.summary) == "")
        #expect((0..<4).map { iocp_stats_view_counted(held.view, $0, 0) } == [1, 2, 4, 0])
        #expect((0..<4).map { iocp_stats_view_counted(held.view, $0, 1) } == [10, 20, .max, 0])
        #expect(iocp_stats_view_counted(held.view, 0, 2) == 0 && iocp_stats_view_counter(held.view, 2) == nil)
        for name in ["", "Orders", "or ders", "\u{1b}[2J", "orders"] {
            page.counters[1] = .init(name)
            #expect(page.opening() == -EPROTO, "\(name)")
        }
        page.counters = [.init("orders")]
        for room: UInt32 in [65, .max] {
            page.claims = (56, room)
            #expect(page.opening() == -EPROTO)
        }
    }

    @Test func theLargestPageIsRead() throws {
        let names = (0..<128).map { "field_\($0)_" + String(repeating: "z", count: 24 - String($0).count) }
        #expect(names.allSatisfy { $0.utf8.count == 31 })
        var page = ForeignPage(names.map { .init($0) }, (0..<1024).map { [UInt64($0)] })
        (page.entryBytes, page.cellBytes) = (256, 16384)
        let view = try View(page.bytes)
        #expect(view.count == 128 && view.name(127) == names[127] && view.value(1023, 0) == 1023)
    }

    // MARK: - Hostile directories

    private static let hostile: [(what: String, page: ForeignPage)] = {
        let good = ForeignPage([.init("one"), .init("two")], [[1, 2]])
        func spoilt(_ change: (inout ForeignPage) -> Void) -> ForeignPage {
            var page = good
            change(&page)
            return page
        }
        func named(_ name: [UInt8]) -> ForeignPage { spoilt { $0.fields[1].name = name } }
        var pages: [(String, ForeignPage)] = [
            ("two fields of one name", named(Array("one".utf8))), ("no name", named([])),
            ("a name that does not end", named([UInt8](repeating: 0x61, count: 32))),
            ("an escape sequence", named(Array("\u{1b}[31m".utf8))), ("a newline", named(Array("two\n".utf8))),
            ("a quote", named(Array("tw\"o".utf8))), ("a capital", named(Array("Two".utf8))),
            ("a dash, as drivers have", named(Array("tw-o".utf8))), ("a space", named(Array("tw o".utf8))),
            ("bytes that are no UTF-8", named([0x74, 0xff, 0xfe])), ("DEL", named([0x74, 0x7f])),
            ("a field too many", ForeignPage((0..<129).map { .init("f\($0)") }, [[1]])),
            ("another version", spoilt { $0.version = 3 }), ("version 1", spoilt { $0.version = 1 }),
        ]
        for count: UInt32 in [0, 129, 0x1000_0000, 0x2000_0001, .max] {
            pages.append(("\(count) fields", spoilt { $0.claims = (40, count) }))
        }
        for bytes: UInt32 in [0, 1, 8, 16, 23, 16385, 0x8000_0000, .max] {
            pages.append(("cells of \(bytes) bytes for two fields", spoilt { $0.claims = (12, bytes) }))
        }
        for bytes: UInt32 in [0, 1, 39, 257, 0x8000_0000, .max] {
            pages.append(("entries of \(bytes) bytes", spoilt { $0.claims = (44, bytes) }))
        }
        return pages
    }()

    @Test(arguments: hostile.indices) func hostileDirectoriesAreRefused(index: Int) {
        let (what, page) = Self.hostile[index]
        #expect(page.opening() == -EPROTO, "\(what)")
    }

    /// A directory of 128 entries, and a page that ends within it or within its cells.
    @Test func aPageThatEndsEarlyIsRefused() {
        for page in [
            ForeignPage([.init("one"), .init("two")], [[1, 2], [3, 4]]),
            ForeignPage((0..<128).map { .init("f\($0)") }, [[UInt64](repeating: 1, count: 128)]),
        ] {
            let bytes = page.bytes
            #expect(ForeignPage.opening(bytes) == 0)
            for count in stride(from: 0, to: bytes.count, by: bytes.count > 1000 ? 97 : 1) {
                #expect(ForeignPage.opening(Array(bytes[..<count])) == -EPROTO, "\(count) of \(bytes.count) bytes")
            }
        }
    }

    /// One byte of the header or of the directory is anything: the page is read within its bounds, or refused.
    @Test func everyByteMayBeAnything() {
        let page = ForeignPage([.init("one"), .init("two")], [[1, 2], [3, 4]]).bytes
        for place in 0..<144 {
            for byte: UInt8 in [0, 1, 0x1b, 0x7f, 0x80, 0xff] {
                var bytes = page
                bytes[place] = byte
                let result = ForeignPage.opening(bytes)
                #expect(result == 0 || result == -EPROTO, "\(byte) at \(place)")
            }
        }
    }

    // MARK: - A page that another process goes on writing

    @Test func aShapeThatChangesLaterIsRefused() throws {
        let page = ForeignPage([.init("one"), .init("two")], [[1, 2], [3, 4]])
        let changes: [(off_t, UInt32)] = [(12, 128), (12, 32), (16, 1), (40, 1), (40, 128), (44, 48), (8, 3)]
        for (offset, number) in changes {
            let view = try View(page.bytes)
            #expect(iocp_stats_view_refresh(view.view) == 0)
            #expect(withUnsafeBytes(of: number) { pwrite(view.fd, $0.baseAddress, 4, offset) } == 4)
            #expect(iocp_stats_view_refresh(view.view) == -EPROTO, "\(number) at \(offset)")
            #expect(view.count == 2 && view.name(1) == "two" && view.value(2, 0) == 0 && view.value(0, 2) == 0)
        }
    }

    @Test func namesAreThoseOfTheFirstReading() throws {
        let view = try View(ForeignPage([.init("one"), .init("two")], [[1, 2]]).bytes)
        #expect(pwrite(view.fd, [UInt8](repeating: 0x1b, count: 80), 80, 64) == 80)
        #expect(iocp_stats_view_refresh(view.view) == 0)
        #expect(view.name(0) == "one" && view.name(1) == "two" && view.value(0, 1) == 2)
    }
}
