#if Command
import ArgumentParser
import IOCP
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@main
struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "iocp-soak",
        abstract: "Proves the guarantees on real sockets, for as long as it takes.",
        discussion: """
            Each scenario starts a server of its own in another process and plays its peers with plain sockets, not \
            with this library's client. It prints one line: the verdict and its figures.

            Exit status: 0 when everything held, 1 when something did not, 64 for bad usage.
            """,
        subcommands: [
            EchoRandom.self, ConnectReset.self, StalledReaders.self, Limits.self, OverflowStorm.self, SlowClose.self,
            MassClose.self, ReconnectStorm.self, AsyncBodies.self, GracefulStop.self, Migrations.self,
            ServerCommand.self,
        ])

    static func main() {
        // Thousands of plain sockets, and as many in a server on epoll, which inherits the limit.
        _ = soak_limit_descriptors(0, .max)
        main(nil)
    }
}

/// What every scenario is asked.
struct ScenarioOptions: ParsableArguments {
    @Option(help: "The server's driver: uring or epoll.")
    var driver: Driver = .uring

    @Option(help: "Seed of everything random; chosen and printed when absent.")
    var seed: UInt64?
}

extension Driver: ExpressibleByArgument {
    public init?(argument: String) {
        guard let driver = Driver.allCases.first(where: { $0.description == argument }) else { return nil }
        self = driver
    }
}

/// A scenario that could not be played to its end.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// With the C library's words for the call that just failed.
    static func system(_ call: String) -> Failure {
        Failure("\(call): \(String(cString: strerror(errno)))")
    }
}
#endif
