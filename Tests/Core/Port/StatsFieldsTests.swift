import CIOCPInternals
import Testing

/// The table of counters, and what the core makes of it.
@Suite struct StatsFieldsTests {
    private struct Field {
        let index: UInt32
        let name, summary: String
        let kind: iocp_stats_kind
        let unit: iocp_stats_unit
        let total: iocp_stats_total
    }

    private static var table: [Field] {
        (0..<IOCP_STATS_FIELD_COUNT.rawValue).map { index in
            let row = iocp_stats_field_at(index).pointee
            return Field(
                index: index, name: String(cString: row.name), summary: String(cString: row.summary), kind: row.kind,
                unit: row.unit, total: row.total)
        }
    }

    // MARK: - The table

    @Test func namesArePlainAndSaidOnce() {
        let names = Self.table.map(\.name)
        #expect(Set(names).count == names.count)
        for name in names {
            #expect((1...31).contains(name.utf8.count))
            #expect(name.allSatisfy { $0 == "_" || ("a"..."z").contains($0) || ("0"..."9").contains($0) }, "\(name)")
        }
    }

    /// Units come last in names, as everywhere in the core.
    @Test func namesEndInTheirUnit() {
        for field in Self.table {
            #expect(field.name.hasSuffix("_bytes") == (field.unit == IOCP_STATS_UNIT_BYTES), "\(field.name)")
            #expect(field.name.hasSuffix("_ns") == (field.unit == IOCP_STATS_UNIT_NANOSECONDS), "\(field.name)")
            #expect(field.unit != IOCP_STATS_UNIT_UNKNOWN && field.kind != IOCP_STATS_KIND_UNKNOWN, "\(field.name)")
        }
    }

    @Test func eachSummaryIsOneSentence() {
        for field in Self.table {
            #expect(field.summary.first?.isUppercase == true && field.summary.last == ".", "\(field.name)")
            #expect(!field.summary.dropLast().contains(".") && !field.summary.contains("|"), "\(field.name)")
        }
    }

    /// A counter is a number of something, which workers have together.
    @Test func countersAreAdded() {
        for field in Self.table where field.kind == IOCP_STATS_KIND_COUNTER {
            #expect(field.total == IOCP_STATS_TOTAL_SUM, "\(field.name)")
        }
    }

    // MARK: - Access by index and by name

    @Test func fieldsAreFoundByIndexAndByName() {
        for field in Self.table { #expect(iocp_stats_field_index(field.name) == field.index) }
        for name in ["", "receivedBytes", "received_byte", "received_bytes ", "cpu"] {
            #expect(iocp_stats_field_index(name) == IOCP_STATS_FIELD_NONE)
        }
        for index in [IOCP_STATS_FIELD_COUNT.rawValue, IOCP_STATS_FIELD_NONE] {
            #expect(iocp_stats_field_at(index) == nil)
        }
    }

    @Test func featuresHaveNamesAndSentences() {
        let names = (0..<IOCP_FEATURE_COUNT.rawValue).map { String(cString: iocp_feature_name($0)) }
        #expect(Set(names).count == names.count && names.contains("incremental_buffers"))
        for (bit, name) in names.enumerated() {
            let summary = String(cString: iocp_feature_summary(UInt32(bit)))
            #expect(name.allSatisfy { $0 == "_" || ("a"..."z").contains($0) } && name.utf8.count <= 31, "\(name)")
            #expect(summary.first?.isUppercase == true && summary.last == "." && !summary.contains("|"), "\(name)")
        }
        for bit in [IOCP_FEATURE_COUNT.rawValue, .max] {
            #expect(iocp_feature_name(bit) == nil && iocp_feature_summary(bit) == nil)
        }
    }

    @Test func valuesAreReadAndWrittenByIndex() {
        var stats = iocp_worker_stats()
        for field in Self.table { iocp_worker_stats_set_value(&stats, field.index, UInt64(field.index) + 100) }
        for field in Self.table { #expect(iocp_worker_stats_value(&stats, field.index) == UInt64(field.index) + 100) }
        #expect(stats.connections == 100 && stats.received_bytes == 104 && stats.cpu == 0 && stats.node == 0)
        for index in [IOCP_STATS_FIELD_COUNT.rawValue, IOCP_STATS_FIELD_NONE] {
            iocp_worker_stats_set_value(&stats, index, 7)
            #expect(iocp_worker_stats_value(&stats, index) == 0)
        }
        #expect(stats.memory_on_node_bytes == UInt64(IOCP_STATS_FIELD_COUNT.rawValue) + 99)
    }

    @Test func codesHaveWords() {
        func words(_ count: UInt8, _ word: (UInt8) -> UnsafePointer<CChar>?) -> [String] {
            (0..<count).map { String(cString: word($0)!) }
        }
        let kinds = words(5) { iocp_stats_kind_name(iocp_stats_kind(rawValue: $0)) }
        #expect(kinds == ["unknown", "counter", "gauge", "histogram", "unknown"])
        let units = words(7) { iocp_stats_unit_name(iocp_stats_unit(rawValue: $0)) }
        #expect(units == ["unknown", "count", "bytes", "ns", "flag", "set", "unknown"])
        let totals = words(4) { iocp_stats_total_name(iocp_stats_total(rawValue: $0)) }
        #expect(totals == ["none", "sum", "newest", "none"])
    }

    // MARK: - Totals

    @Test func aTotalIsMadeAsTheTableSays() {
        var total = iocp_worker_stats()
        (total.cpu, total.node) = (3, 1)
        for worker: UInt64 in [5, 9, 7] {
            var stats = iocp_worker_stats()
            (stats.cpu, stats.node) = (8, 9)
            for field in Self.table { iocp_worker_stats_set_value(&stats, field.index, worker + UInt64(field.index)) }
            iocp_worker_stats_add(&total, &stats)
        }
        for field in Self.table {
            let index = UInt64(field.index)
            let due: UInt64? =
                switch field.total {
                case IOCP_STATS_TOTAL_SUM: 21 + 3 * index
                case IOCP_STATS_TOTAL_NEWEST: 9 + index
                case IOCP_STATS_TOTAL_NONE: 0
                default: nil
                }
            #expect(iocp_worker_stats_value(&total, field.index) == due, "\(field.name)")
        }
        #expect(total.cpu == 3 && total.node == 1)
    }

    @Test func aSumThatDoesNotFitWraps() {
        var total = iocp_worker_stats()
        var stats = iocp_worker_stats()
        for field in Self.table {
            iocp_worker_stats_set_value(&total, field.index, .max)
            iocp_worker_stats_set_value(&stats, field.index, .max)
        }
        iocp_worker_stats_add(&total, &stats)
        #expect(total.accepted == .max - 1 && total.heartbeat_ns == .max && total.asleep == .max)
    }
}
