import CIOCPInternals
import ChildProcesses
import Foundation
import IOCP
import Testing

/// The page of a build that counts other things, as Swift and the command show it. Each test is a process of its own:
/// the pages of other tests would be found in this one.
@Suite struct OtherBuildsTests {
    /// A page of the core's own, whose directory was rewritten.
    private final class Page {
        var page = iocp_stats_page()

        init(workers: UInt32) {
            precondition(iocp_stats_page_open(&page, workers, "epoll") == 0)
            for worker in 0..<workers {
                for field in 0..<IOCP_STATS_FIELD_COUNT.rawValue {
                    internals_stats_field_set(&page, worker, field, UInt64(worker * 1000 + field + 1))
                }
            }
        }
        deinit { iocp_stats_page_close(&page) }

        /// Says that a field has another name, or another kind, unit and total.
        func rename(_ field: StatsField, _ name: String, codes: [UInt8]? = nil) {
            let place = off_t(64 + 40 * Int(iocp_stats_field_index(field.name)))
            let bytes = Array(name.utf8) + [UInt8](repeating: 0, count: 32 - name.utf8.count) + (codes ?? [])
            precondition(pwrite(page.fd, bytes, bytes.count, place) == bytes.count)
        }
    }

    private static func index(_ field: StatsField) -> UInt64 { UInt64(iocp_stats_field_index(field.name)) }

    private static func stats(_ more: String...) throws -> String {
        let child = try ChildProcess("iocp", ["stats", "--pid", "\(getpid())"] + more)
        #expect(try child.end() == 0, "\(child.text(of: .errors))")
        return child.text(of: .output)
    }

    private static func json() throws -> (workers: [[String: Any]], total: [String: Any]) {
        let object = try JSONSerialization.jsonObject(with: Data(try stats("--json").utf8))
        let report = try #require(object as? [String: Any])
        return (try #require(report["workers"] as? [[String: Any]]), try #require(report["total"] as? [String: Any]))
    }

    @Test("the JSON has every field of this build under its name")
    func own() async {
        await #expect(processExitsWith: .success) {
            let page = Page(workers: 2)
            defer { withExtendedLifetime(page) {} }
            let (workers, total) = try OtherBuildsTests.json()
            let names = Set(WorkerStats.fields.map(\.name))
            #expect(Set(total.keys) == Set(WorkerStats.fields.filter { $0.total != .absent }.map(\.name)))
            for (worker, row) in workers.enumerated() {
                #expect(Set(row.keys) == names.union(["core", "node", "busy_ns"]))
                for field in WorkerStats.fields where field.unit != .flag && field.unit != .set {
                    let due = UInt64(worker * 1000) + OtherBuildsTests.index(field) + 1
                    #expect(row[field.name] as? UInt64 == due, "\(field.name)")
                }
                #expect(row["asleep"] as? Bool == true)
                let bits = UInt64(worker * 1000) + OtherBuildsTests.index(.features) + 1
                #expect((row["features"] as? [String])?.count == bits.nonzeroBitCount)
            }
        }
    }

    @Test("a field that the page lacks is absent, and one that only it has is there under its name")
    func renamed() async {
        await #expect(processExitsWith: .success) {
            let page = Page(workers: 2)
            defer { withExtendedLifetime(page) {} }
            page.rename(.timeouts, "tea_breaks")
            page.rename(.shortSends, "longest_nap_ns", codes: [2, 3, 2])
            page.rename(.posts, "mood", codes: [77, 77, 77])
            let stats = try PortStats(processID: getpid())
            #expect(stats.fields.count == WorkerStats.fields.count)
            let mine = stats.fields.filter { WorkerStats.fields.contains($0) }
            #expect(Set(mine) == Set(WorkerStats.fields).subtracting([.timeouts, .shortSends, .posts]))
            let foreign = Dictionary(uniqueKeysWithValues: stats.fields.map { ($0.name, $0) })
            let (breaks, nap) = (try #require(foreign["tea_breaks"]), try #require(foreign["longest_nap_ns"]))
            let mood = try #require(foreign["mood"])
            #expect(breaks.kind == .counter && breaks.unit == .count && breaks.total == .sum && breaks.summary == "")
            #expect(nap.kind == .gauge && nap.unit == .nanoseconds && nap.total == .newest)
            #expect(mood.kind == .unknown && mood.unit == .unknown && mood.total == .absent)

            var workers: [WorkerStats] = []
            for worker in 0..<2 { workers.append(stats[worker]) }
            let (first, total) = (workers[0], WorkerStats.total(of: workers))
            #expect(first[.timeouts] == nil && first.timeouts == 0 && total[.timeouts] == nil)
            #expect(first[.accepted] == 2 && total[.accepted] == 1004)
            let (atBreaks, atNap) = (OtherBuildsTests.index(.timeouts) + 1, OtherBuildsTests.index(.shortSends) + 1)
            #expect(first[breaks] == atBreaks && total[breaks] == 1000 + 2 * atBreaks)
            #expect(total[nap] == 1000 + atNap && first[mood] != nil && total[mood] == nil)

            let shown = try OtherBuildsTests.json()
            #expect(shown.total["timeouts"] == nil && shown.workers[0]["timeouts"] == nil)
            #expect(shown.total["tea_breaks"] as? UInt64 == 1000 + 2 * atBreaks)
            #expect(shown.workers[1]["longest_nap_ns"] as? UInt64 == 1000 + atNap)
            #expect(shown.workers[1]["mood"] is Int && shown.total["mood"] == nil)
        }
    }

    @Test("the table shows - for a column that the page lacks")
    func column() async {
        await #expect(processExitsWith: .success) {
            let page = Page(workers: 1)
            defer { withExtendedLifetime(page) {} }
            page.rename(.enters, "something_else")
            page.rename(.heartbeat, "another_thing", codes: [1, 1, 1])
            let lines = try OtherBuildsTests.stats().split(separator: "\n")
            #expect(lines.count >= 4)
            #expect(lines[2].hasSuffix(" -") && lines[3].hasSuffix(" -"))
            #expect(try OtherBuildsTests.json().workers[0]["busy_ns"] == nil)
        }
    }

    @Test("no name of a page takes the place of what the command says itself")
    func shadowing() async {
        await #expect(processExitsWith: .success) {
            let page = Page(workers: 1)
            defer { withExtendedLifetime(page) {} }
            page.rename(.closed, "core")
            page.rename(.posts, "busy_ns")
            page.rename(.accepted, "pid")
            let (workers, _) = try OtherBuildsTests.json()
            #expect(workers[0]["core"] as? Int == 0 && workers[0]["busy_ns"] as? Int == 0)
            #expect(workers[0]["pid"] as? Int == 2)
        }
    }

    @Test("names that a terminal would obey are refused")
    func escapes() async {
        await #expect(processExitsWith: .success) {
            let page = Page(workers: 1)
            defer { withExtendedLifetime(page) {} }
            page.rename(.closed, "\u{1B}]0;owned\u{7}")
            let child = try ChildProcess("iocp", ["stats", "--json", "--pid", "\(getpid())"])
            #expect(try child.end() == 1)
            #expect(child.text(of: .output) == "" && child.lines(of: .errors).count == 1)
            #expect(!child.text(of: .errors).contains("\u{1B}"))
        }
    }
}
