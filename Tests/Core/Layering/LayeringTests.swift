import Testing

@Suite struct LayeringTests {
    static let core = "CSources/CIOCP"

    @Test func theCoreIncludesDownwardOnly() throws {
        let files = try SourceTree.files(below: Self.core, ending: ".c", ".h")
        #expect(files.count > 30 && files.contains("port.c") && files.contains("driver/uring/setup.c"))
        for file in files {
            let broken = Layers.violations(in: file, lines: try SourceTree.lines(Self.core + "/" + file))
            #expect(broken.isEmpty, "\(broken.map(\.description).joined(separator: "; "))")
        }
    }

    /// Rooms whose files may use each other in circles, and why.
    private static let circles: [String: [[String]]] = [
        // A played kernel, whose sockets and peers act on each other as the real ones do. It is no part of the product.
        "driver/sim": [["complete.c", "kernel.c", "listening.c", "peer.c", "setup.c", "submit.c", "world.c"]]
    ]

    @Test(arguments: [
        "worker", "driver/uring", "driver/epoll", "driver/sim", "connection", "memory", "system", "stats", "offload",
    ])
    func filesOfARoomUseEachOtherDownward(room: String) throws {
        let graph = try CallGraph(Self.sources(of: room))
        #expect(graph.circles == Self.circles[room] ?? [])
    }

    /// A received message passes at most five files between the driver and the application's array.
    @Test func aMessagePassesFewFiles() throws {
        let graph = try CallGraph(Self.sources(of: "worker"))
        #expect(graph.uses["loop.c"]?.contains("events.c") == true && graph.uses["events.c"]?.contains("outbox.c") == true)
        #expect(graph.uses["outbox.c"] == [])
    }

    private static func sources(of room: String) throws -> [String: String] {
        let folder = core + "/" + room
        let files = try SourceTree.files(below: folder, ending: ".c").filter { !$0.contains("/") }
        #expect(files.count > 1)
        return try Dictionary(uniqueKeysWithValues: files.map { ($0, String(decoding: try SourceTree.file(folder + "/" + $0), as: UTF8.self)) })
    }

    @Test func aCircleIsSeen() {
        let graph = CallGraph([
            "a.c": "#include \"b.h\"\n/* void b(void) { } */\nvoid a(void)\n{\n    b();\n}\n",
            "b.c": "static int c(int x)\n{\n    return x;\n}\n\nint *b(int many,\n       int more)\n{\n    return d;\n}\n",
            "d.c": "int d(void);\nconst table t = {.a = a};\nint d(void)\n{\n    return \"b\";\n}\n",
            "e.c": "int c(void)\n{\n    return a() + (int)d();\n}\n",
        ])
        #expect(graph.circles == [["a.c", "b.c", "d.c"]])
        #expect(graph.uses == ["a.c": ["b.c"], "b.c": ["d.c"], "d.c": ["a.c"], "e.c": ["a.c", "d.c"]])
    }

    @Test func theSwiftLayerImportsNothingHeavy() throws {
        let allowed: Set = ["CIOCP", "Glibc", "Musl", "Synchronization"]
        for file in try SourceTree.files(below: "Sources/IOCP", ending: ".swift") {
            let imports = Layers.imports(try SourceTree.lines("Sources/IOCP/" + file))
            #expect(allowed.isSuperset(of: imports), "\(file) imports \(imports)")
        }
    }

    /// Without the trait there is no ArgumentParser to import, so nothing of the command may be compiled.
    @Test(arguments: ["Sources/iocp", "Tests/Soak"])
    func theCommandStandsBehindItsTrait(folder: String) throws {
        for file in try SourceTree.files(below: folder, ending: ".swift") {
            let lines = try SourceTree.lines(folder + "/" + file)
            let condition = file == "WithoutCommand.swift" ? "#if !Command" : "#if Command"
            #expect(lines.first ?? "" == condition && lines.dropLast().last ?? "" == "#endif", "\(folder)/\(file)")
        }
    }

    /// A room is read in one sitting: about 350 lines. A little more is said, much more is refused.
    @Test func filesStaySmall() throws {
        var large: [String] = []
        for (folder, endings) in [(Self.core, [".c", ".h"]), ("Sources/IOCP", [".swift"])] {
            for ending in endings {
                for file in try SourceTree.files(below: folder, ending: ending) {
                    let count = try SourceTree.lines(folder + "/" + file).count - 1
                    if count > 350 { large.append("\(folder)/\(file): \(count) lines") }
                    #expect(count <= 400, "\(folder)/\(file)")
                }
            }
        }
        if !large.isEmpty { Issue.record("over 350 lines: \(large.joined(separator: ", "))", severity: .warning) }
    }

    // MARK: - The rule itself

    @Test(arguments: [
        ("port.c", "worker/worker.h"), ("port.c", "driver/driver.h"), ("port.c", "base/limits.h"),
        ("worker/loop.c", "worker.h"), ("worker/worker.h", "../connection/slot.h"), ("worker/worker.h", "../driver/driver.h"),
        ("worker/worker.h", "../stats/page.h"), ("driver/uring/setup.c", "uring.h"), ("driver/uring/uring.h", "../driver.h"),
        ("driver/driver.h", "../memory/range.h"), ("connection/slot.h", "../base/token.h"), ("memory/arena.c", "../system/topology.h"),
        ("stats/page.h", "../include/iocp_stats.h"), ("base/limits.h", "../include/iocp_worker.h"),
        ("driver/sim/sim.c", "./sim.h"),
    ])
    func downwardIsAllowed(file: String, included: String) {
        #expect(Layers.violations(in: file, lines: ["#include \"\(included)\""]) == [])
    }

    @Test(arguments: [
        ("worker/loop.c", "../port.h", "port.h is no room of the house"),
        ("driver/driver.h", "../connection/slot.h", "connection is not below driver"),
        ("connection/slot.h", "../driver/driver.h", "driver is not below connection"),
        ("connection/slot.c", "../worker/worker.h", "worker is not below connection"),
        ("memory/arena.h", "../connection/slot.h", "connection is not below memory"),
        ("system/topology.c", "../memory/arena.h", "memory is not below system"),
        ("system/topology.c", "../stats/page.h", "stats is not below system"),
        ("stats/page.c", "../system/topology.h", "system is not below stats"),
        ("base/token.h", "../memory/arena.h", "memory is not below base"),
        ("include/iocp_port.h", "../base/limits.h", "base is not below include"),
        ("driver/epoll/epoll.c", "../uring/uring.h", "drivers do not know each other"),
        ("driver/driver.c", "uring/uring.h", "drivers do not know each other"),
        ("worker/loop.c", "../driver/uring/uring.h", "the seam is driver.h"),
        ("worker/loop.c", "../../../elsewhere.h", "it lies outside of the core"),
        ("utils/list.h", "../base/limits.h", "utils is no room of the house"),
        ("worker/loop.c", "../utils/list.h", "utils is no room of the house"),
    ])
    func upwardAndSidewaysAreRefused(file: String, included: String, reason: String) {
        let lines = ["/* #include is not what this comment does */", "  #  include \"\(included)\"", "int x;"]
        #expect(Layers.violations(in: file, lines: lines) == [.init(file: file, included: included, reason: reason)])
    }

    @Test(arguments: [
        ("liburing.h", "driver/uring/uring.h", "driver/epoll/epoll.c"), ("liburing.h", "driver/uring/probe.c", "include/CIOCP.h"),
        ("liburing.h", "driver/uring/probe.c", "worker/worker.h"), ("sys/epoll.h", "driver/epoll/epoll.c", "driver/uring/uring.h"),
        ("numa.h", "system/topology.c", "memory/arena.c"), ("numa.h", "system/topology.c", "include/iocp_system.h"),
    ])
    func dependenciesStayInTheirRooms(header: String, inside: String, outside: String) {
        #expect(Layers.violations(in: inside, lines: ["#include <\(header)>"]) == [])
        #expect(Layers.violations(in: outside, lines: ["#include <\(header)>"]).count == 1)
        #expect(Layers.violations(in: outside, lines: ["#include <stdint.h>"]) == [])
    }

    @Test func importsAreSeenInEveryForm() {
        let lines = [
            "import Foundation", "  public import Dispatch", "@preconcurrency import Glibc", "import struct Foundation.Data",
            "internal import CIOCP // the core", "// import Commented", "let important = 1", "@_spi(Testing) import Other",
        ]
        #expect(Layers.imports(lines) == ["Foundation", "Dispatch", "Glibc", "Foundation", "CIOCP", "Other"])
    }
}
