import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// `iocp top` on a terminal.
    @Suite(needsRing, needsTmux) struct TopScreens {
        /// A terminal in which top watches a server, from its first table on.
        static func top(
            _ processID: Int32, columns: Int = 80, rows: Int = 24, options: String = "--interval 0.2",
            environment: String = ""
        ) throws -> Tmux {
            let terminal = try Tmux(columns: columns, rows: rows)
            try terminal.run("\(environment) \(terminal.iocp) top --pid \(processID) \(options)")
            try terminal.wait(showing: "msg/s")
            return terminal
        }

        /// The rows of workers, each cut into cells.
        static func workers(_ screen: [String]) -> [[String]] {
            screen.map { $0.split(separator: " ").map(String.init) }.filter {
                $0.count > 5 && Int($0[0]) != nil && ["sleeps", "runs", "stalled", "gone", "-", "?"].contains($0[1])
            }
        }

        @Test("a row for each worker and a total, on a small terminal and a large one, and while it changes")
        func rows() throws {
            let server = try Server(["--workers", "3"])
            let terminal = try TopScreens.top(server.child.processID)
            let small = try terminal.screen()
            #expect(small[0].hasPrefix("iocp top  iocp \(server.child.processID)  uring  3 workers  every 0.2 s"))
            #expect(small[1].hasPrefix("messages/s "))
            #expect(TopScreens.workers(small).map { $0[0] } == ["0", "1", "2"])
            #expect(small[7].hasPrefix("   total"), "\(small[7])")
            #expect(small[8].hasPrefix("q quit  s sort: worker  p pause  h help"))
            for column in ["cpu", "node", "conns", "in/s", "out/s", "msg/en", "busy", "unsent", "starved", "refused"] {
                #expect(small[3].contains(column), "\(column)")
            }
            try terminal.resize(columns: 200, rows: 50)
            let large = try terminal.wait(showing: "jobs/s")
            #expect(TopScreens.workers(large).count == 3)
            #expect(large[3].contains("acc/s") && large[3].contains("received"))
            try terminal.resize(columns: 80, rows: 24)
            try terminal.wait(for: "the small table") { !$0[3].contains("jobs/s") && $0[3].hasSuffix("refused") }
            try terminal.resize(columns: 15, rows: 5)
            try terminal.wait(showing: "too small")
            try terminal.resize(columns: 80, rows: 24)
            try terminal.wait(showing: "refused")
            #expect(try server.end() == 0)
        }

        @Test("a load is seen: connections, rates, busy, and its messages as bars")
        func load() throws {
            let server = try Server()
            let terminal = try TopScreens.top(server.child.processID)
            let load = try ChildProcess(
                "iocp", ["stress", "--port", server.port, "--connections", "5", "--rate", "2000", "--duration", "60"])
            let screen = try terminal.wait(for: "the load") { screen in
                let row = TopScreens.workers(screen).first ?? []
                return row.count == 13 && row[4] == "5" && (Int(row[7]) ?? 0) > 500 && row[9] != "0%"
            }
            #expect(screen[1].contains("█"), "\(screen[1])")
            #expect(screen[1].contains("peak "))
            load.signal(SIGINT)
            _ = try load.end()
            try terminal.wait(for: "no connections") { TopScreens.workers($0).first?[4] == "0" }
            #expect(try server.end() == 0)
        }

        @Test("64 workers scroll, and the total stays")
        func scrolls() throws {
            let page = try HostilePage(workers: 64)
            let terminal = try TopScreens.top(page.child.processID)
            func first(_ screen: [String]) -> [String] { screen.map { String($0.prefix(3)) } }
            let hint = "of 64"
            try terminal.wait(showing: "workers 1-18 of 64")
            try terminal.press("Down")
            try terminal.wait(showing: "workers 2-19 \(hint)")
            try terminal.press("NPage")
            try terminal.wait(showing: "workers 20-37 \(hint)")
            try terminal.press("End")
            var screen = try terminal.wait(showing: "workers 47-64 \(hint)")
            #expect(first(screen)[4] == "46 " && first(screen)[21] == "63 " && screen[22].contains("total"))
            try terminal.press("Down", "PPage", "k")
            try terminal.wait(showing: "workers 28-45 \(hint)")
            try terminal.press("Home")
            try terminal.wait(showing: "workers 1-18 \(hint)")
            try terminal.press("End")
            try terminal.resize(columns: 200, rows: 50)
            screen = try terminal.wait(showing: "workers 21-64 \(hint)")
            #expect(screen.count >= 50 && screen[48].contains("total"))
            try terminal.resize(columns: 200, rows: 80)
            try terminal.wait(for: "all rows") { screen in
                screen.count > 68 && first(screen)[4] == " 0 " && screen[68].contains("total")
                    && !screen.contains { $0.contains(hint) }
            }
        }

        @Test("a stopped server is shown as stalled within 2 s, and goes on")
        func stalled() throws {
            let server = try Server(["--workers", "2"])
            let terminal = try TopScreens.top(server.child.processID, options: "")
            let start = ContinuousClock.now
            server.child.signal(SIGSTOP)
            let screen = try terminal.wait(for: "stalled workers", within: .seconds(5)) { screen in
                TopScreens.workers(screen).map { $0[1] } == ["stalled", "stalled"]
            }
            #expect(ContinuousClock.now - start < .seconds(2))
            #expect(screen[2].contains("stopped"))
            server.child.signal(SIGCONT)
            try terminal.wait(for: "sleeping workers", within: .seconds(5)) { screen in
                TopScreens.workers(screen).map { $0[1] } == ["sleeps", "sleeps"]
            }
            #expect(try server.end() == 0)
        }

        @Test("a killed server is shown as gone until a key")
        func gone() throws {
            let server = try Server(["--workers", "2"])
            let terminal = try TopScreens.top(server.child.processID)
            server.child.signal(SIGKILL)
            let screen = try terminal.wait(showing: "process \(server.child.processID) is gone")
            #expect(TopScreens.workers(screen).map { $0[1] } == ["gone", "gone"])
            try terminal.press("h")
            try terminal.wait(showing: "this help")
            try terminal.press("h")
            try terminal.wait(showing: "is gone")
            try terminal.press("x")
            try terminal.wait(for: "the shell") { !$0.contains { $0.contains("is gone") } }
            #expect(try terminal.state("alternate_on") == "0")
        }

        @Test("keys sort, pause and help")
        func keys() throws {
            let server = try Server(["--workers", "2"])
            let terminal = try TopScreens.top(server.child.processID)
            try terminal.press("s")
            try terminal.wait(showing: "sort: connections")
            try terminal.press("b")
            try terminal.wait(showing: "sort: busy")
            try terminal.press("p")
            try terminal.wait(showing: "  paused")
            let load = try stress(port: server.port)
            #expect(load.status == 0)
            #expect(try terminal.screen()[1].hasPrefix("messages/s     0"))
            try terminal.press("Space")
            try terminal.wait(for: "no pause") { !$0[0].contains("paused") }
            try terminal.press("?")
            try terminal.wait(showing: "receives that waited for a buffer")
            try terminal.press("h", "m")
            try terminal.wait(showing: "sort: messages")
            #expect(try server.end() == 0)
        }

        @Test("Tab and arrows go from process to process")
        func processes() throws {
            let servers = [try Server(), try Server(["--workers", "2"])]
            let ids = servers.map(\.child.processID).sorted()
            let terminal = try TopScreens.top(ids[0])
            try terminal.wait(for: "its place") { $0[0].contains("iocp \(ids[0]) ") && $0[0].contains("process ") }
            try terminal.press("Tab")
            try terminal.wait(for: "the next one") { $0[0].contains("iocp \(ids[1]) ") }
            try terminal.press("Left")
            try terminal.wait(for: "the one before") { $0[0].contains("iocp \(ids[0]) ") }
            kill(ids[0], SIGKILL)
            try terminal.wait(showing: "is gone")
            try terminal.press("Right")
            try terminal.wait(for: "the one that is left") { $0[0].contains("iocp \(ids[1]) ") }
        }

        @Test("stalls are coloured, and not with NO_COLOR", arguments: [false, true])
        func colours(areOff: Bool) throws {
            let server = try Server()
            let terminal = try TopScreens.top(
                server.child.processID, environment: areOff ? "NO_COLOR=1" : "")
            server.child.signal(SIGSTOP)
            let screen = try terminal.wait(for: "stalled", coloured: true) { $0.contains { $0.contains("stalled") } }
            #expect(screen.joined().contains(/\u{1b}\[[0-9;]*3[0-7]/) == !areOff)
            server.child.signal(SIGCONT)
            #expect(try server.end() == 0)
        }
    }
}
