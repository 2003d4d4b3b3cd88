import CIOCPInternals
import ChildProcesses
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// The reader of another process' counters, with pages that this one made up.
    @Suite struct ForgedPages {
        /// A page of the core's own, to be spoilt.
        private final class Page {
            var page = iocp_stats_page()

            init(workers: UInt32) { precondition(iocp_stats_page_open(&page, workers, "epoll") == 0) }
            deinit { iocp_stats_page_close(&page) }

            func write(_ bytes: [UInt8], at offset: Int) {
                precondition(pwrite(page.fd, bytes, bytes.count, off_t(offset)) == bytes.count)
            }
        }

        private enum Offset { static let pid = 20, driver = 24 }

        private static func stats() throws -> ChildProcess {
            let child = try ChildProcess("iocp", ["stats", "--pid", "\(getpid())"])
            try child.end()
            return child
        }

        @Test("the process that was asked for is named, whatever the page says")
        func pid() throws {
            let page = Page(workers: 1)
            page.write([1, 0, 0, 0], at: Offset.pid)
            #expect(try PortStats(processID: getpid()).processID == getpid())
            #expect(try Self.stats().text(of: .output).hasPrefix("process \(getpid()), driver epoll, 1 worker\n"))
        }

        @Test("nothing that a terminal obeys comes from a page")
        func escapes() throws {
            let page = Page(workers: 1)
            page.write(Array("\u{1B}]0;owned\u{7}\0".utf8), at: Offset.driver)
            let error = refusal { () throws(IOCPError) in _ = try PortStats(processID: getpid()) }
            #expect(error?.name == "EPROTO" && error.map { ErrorSentences.due($0) } == error?.description)
            let child = try Self.stats()
            #expect(child.text(of: .output) == "")
            #expect(child.lines(of: .errors).count == 1)
            #expect(!(child.text(of: .errors) + child.text(of: .output)).contains("\u{1B}"))
        }

        @Test("the first page among files of that name is taken")
        func garbageFirst() throws {
            var spoilt = [Page(workers: 1), Page(workers: 9)]
            #expect(ftruncate(spoilt[0].page.fd, 0) == 0)
            spoilt[1].write(Array(repeating: 0xff, count: 1000), at: 0)
            let refused = refusal { () throws(IOCPError) in _ = try PortStats(processID: getpid()) }
            #expect(refused?.name == "EPROTO")
            #expect(!PortStats.processIDs().contains(getpid()))
            var page = Page(workers: 3)
            // Another test may have closed a lower descriptor meanwhile, which this page has then: one more to be passed over.
            while !spoilt.allSatisfy({ $0.page.fd < page.page.fd }) {
                #expect(ftruncate(page.page.fd, 0) == 0)
                spoilt.append(page)
                page = Page(workers: 3)
            }
            #expect(try PortStats(processID: getpid()).workerCount == 3)
            #expect(PortStats.processIDs().contains(getpid()))
        }

        @Test("a page that is cut short is an error of the next reading")
        func cutShort() throws {
            let page = Page(workers: 2)
            internals_stats_field_set(&page.page, 1, 0, 5)
            var stats = try PortStats(processID: getpid())
            #expect(stats[1].connections == 5)
            internals_stats_field_set(&page.page, 1, 0, 6)
            #expect(stats[1].connections == 5)
            try stats.refresh()
            #expect(stats[1].connections == 6)
            #expect(ftruncate(page.page.fd, 100) == 0)
            var name: String?
            do throws(IOCPError) { try stats.refresh() } catch { name = error.name }
            #expect(name == "EPROTO")
        }

        /// A page that is truncated and restored all the time ended the reader with SIGBUS.
        @Test("a page that shrinks and grows while it is read never ends the reader")
        func shrinking() async throws {
            let page = Page(workers: 64)
            let (fd, size) = (page.page.fd, off_t(page.page.size_bytes))
            var whole = [UInt8](repeating: 0, count: Int(size))
            #expect(pread(fd, &whole, whole.count, 0) == whole.count)
            let (content, ends) = (whole, Locked(false))
            try await onThreads(2) { thread in
                if thread == 0 {
                    while !ends.withLock({ $0 }) {
                        ftruncate(fd, 64)
                        _ = pwrite(fd, content, content.count, 0)
                    }
                } else {
                    defer { ends.withLock { $0 = true } }
                    for _ in 0..<40 {
                        let child = try Self.stats()
                        let status = try child.end()
                        #expect(status == 0 || status == 1, "\(status)")
                    }
                }
            }
        }
    }
}
