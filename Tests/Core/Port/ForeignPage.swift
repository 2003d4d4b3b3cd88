import CIOCPInternals
import Glibc

/// A stats page byte by byte, as a build with another table, or with bad intentions, would write it.
struct ForeignPage {
    struct Field {
        var name: [UInt8]
        var kind: UInt8 = 1, unit: UInt8 = 1, total: UInt8 = 1

        init(_ name: String, kind: UInt8 = 1, unit: UInt8 = 1, total: UInt8 = 1) {
            (self.name, self.kind, self.unit, self.total) = (Array(name.utf8), kind, unit, total)
        }

        init(_ name: [UInt8]) { self.name = name }
    }

    var version: UInt32 = 2
    var fields: [Field]
    var cellBytes: UInt32?
    var entryBytes: UInt32 = 40
    /// A row of values per worker.
    var values: [[UInt64]]
    var histograms: [Field] = []
    var bucketCount: UInt32 = 0
    /// A row per worker: for each histogram its sum and its buckets.
    var counts: [[UInt64]] = []
    var counterRoom: UInt32 = 0
    /// The application's own counters, and behind them a row for each worker and one for all other threads.
    var counters: [Field] = []
    var numbers: [[UInt64]] = []
    /// A number of the header that is not what is there.
    var claims: (offset: Int, number: UInt32)?

    init(_ fields: [Field], _ values: [[UInt64]]) { (self.fields, self.values) = (fields, values) }

    var bytes: [UInt8] {
        var page: [UInt8] = []
        func append(_ value: some FixedWidthInteger) { page += withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        func pad(to count: Int) { page += [UInt8](repeating: 0, count: max(0, count - page.count)) }
        let content = 8 + 8 * fields.count + 8 * histograms.count * (1 + Int(bucketCount))
        let cell = Int(cellBytes ?? UInt32((content + 63) / 64 * 64))
        append(UInt64(0x7374_6170_7363_6f69))
        append(version)
        append(UInt32(cell))
        append(UInt32(values.count))
        append(UInt32(4711))
        page += Array("uring".utf8) + [UInt8](repeating: 0, count: 11)
        append(UInt32(fields.count))
        append(entryBytes)
        append(UInt32(histograms.count))
        append(bucketCount)
        append(counterRoom)
        func append(_ directory: [Field]) {
            for field in directory {
                let start = page.count
                page += field.name
                pad(to: start + 32)
                page += [field.kind, field.unit, field.total]
                pad(to: start + Int(entryBytes))
            }
        }
        pad(to: 64)
        append(fields)
        pad(to: (page.count + 63) / 64 * 64)
        for (worker, row) in values.enumerated() {
            let start = page.count
            append(UInt32(worker))
            append(UInt32(7))
            for value in row { append(value) }
            if worker < counts.count {
                pad(to: start + 8 + 8 * fields.count)
                for value in counts[worker] { append(value) }
            }
            pad(to: start + cell)
        }
        append(histograms)
        if counterRoom > 0 {
            pad(to: (page.count + 63) / 64 * 64)
            let start = page.count
            append(counters)
            pad(to: start + Int(counterRoom) * Int(entryBytes))
            pad(to: (page.count + 63) / 64 * 64)
            for row in 0...values.count {
                let start = page.count
                for number in row < numbers.count ? numbers[row] : [] { append(number) }
                pad(to: start + 8 * Int(counterRoom))
            }
        }
        if let (offset, number) = claims {
            withUnsafeBytes(of: number.littleEndian) { page.replaceSubrange(offset..<offset + 4, with: $0) }
        }
        return page
    }

    /// A file of these bytes, which the caller closes.
    static func file(_ bytes: [UInt8]) -> Int32 {
        let fd = internals_stats_page_of(bytes, UInt32(bytes.count))
        precondition(fd >= 0)
        return fd
    }

    /// What opening a page of these bytes gives.
    static func opening(_ bytes: [UInt8]) -> Int32 {
        let fd = file(bytes)
        defer { close(fd) }
        var view: OpaquePointer?
        let result = iocp_stats_view_open(fd, &view)
        if result == 0 { iocp_stats_view_close(view) }
        return result
    }

    func opening() -> Int32 { ForeignPage.opening(bytes) }
}
