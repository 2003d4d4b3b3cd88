import Glibc
import Hummingbird
import Logging
import NIOPosix
import Synchronization

// The page of Examples/http on Hummingbird: one event loop, and no log line for a request.
//
//   http-hummingbird PORT       ends with status 0 on SIGTERM

guard let port = CommandLine.arguments.dropFirst().first.flatMap({ Int($0) }), (1...65_535).contains(port) else {
    let usage = "usage: http-hummingbird PORT\n"
    _ = usage.utf8.withContiguousStorageIfAvailable { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(64)
}

/// Requests for the page so far. Nothing else counts them, and a relaxed addition is lost in what a request costs.
let served = Atomic<Int>(0)

let router = Router()
router.get("hello") { _, _ in
    served.wrappingAdd(1, ordering: .relaxed)
    return "Hello, world!\n"
}
router.get("status") { _, _ in "\(served.load(ordering: .relaxed))\n" }

var logger = Logger(label: "hummingbird")
logger.logLevel = .error
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
try await Application(
    router: router,
    configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "hummingbird", backlog: 4_096),
    eventLoopGroupProvider: .shared(group), logger: logger
).runService()
