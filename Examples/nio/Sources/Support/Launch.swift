import Dispatch
import Glibc
import IOCP
public import IOCPNIO
public import NIOCore
public import NIOPosix

/// A bootstrap of either transport: what the services here ask of both.
public protocol Bootstrap {
    func childChannelInitializer(_ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>) -> Self
    func serverChannelInitializer(_ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>) -> Self
    func childChannelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self
    func bind(host: String, port: Int) -> EventLoopFuture<any Channel>
    func bind<Output: Sendable>(
        host: String, port: Int,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark?,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never>
}

extension ServerBootstrap: Bootstrap {}
extension IOCPServerBootstrap: Bootstrap {}

/// A service as the tests start it: SERVICE --port N --driver posix|uring|epoll [MORE...].
public struct Launch: Sendable {
    public let port: Int
    public let group: any EventLoopGroup
    private let isPosix: Bool
    public var bootstrap: any Bootstrap {
        isPosix ? ServerBootstrap(group: group) : IOCPServerBootstrap(group: group)
    }
    /// The options that are the service's own.
    public let more: [String: String]

    /// Ends the process with status 2 and a line where the arguments are wrong.
    /// - Parameter taking: names of the service's own options.
    public init(taking own: Set<String> = []) throws {
        var options: [String: String] = [:]
        var rest = CommandLine.arguments.dropFirst()
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else {
                Self.refuse("\(name): an option and its value")
            }
            guard own.union(["port", "driver"]).contains(String(name.dropFirst(2))) else {
                Self.refuse("\(name) is no option here: --port, --driver\(own.sorted().map { ", --\($0)" }.joined())")
            }
            options[String(name.dropFirst(2))] = value
        }
        guard let port = Int(options.removeValue(forKey: "port") ?? "0"), (0...65_535).contains(port) else {
            Self.refuse("--port takes 0 to 65535")
        }
        self.port = port
        let driver = options.removeValue(forKey: "driver") ?? "uring"
        isPosix = driver == "posix"
        switch driver {
        case "posix": group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        case "uring", "epoll":
            var configuration = PortConfiguration()
            configuration.driver = driver == "uring" ? .uring : .epoll
            configuration.workers = 1
            configuration.workerPlacement = .unbound
            group = try IOCPEventLoopGroup(configuration)
        default: Self.refuse("--driver takes posix, uring or epoll")
        }
        more = options
    }

    public static func refuse(_ sentence: String) -> Never {
        let line = "\(sentence)\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
        exit(2)
    }

    /// Says where it listens.
    public func announce(_ channel: any Channel) {
        print("listening on 127.0.0.1:\(channel.localAddress?.port ?? 0)")
        fflush(nil)
    }

    /// Calls `stop` at SIGINT or SIGTERM.
    public func onSignal(_ stop: @escaping @Sendable () -> Void) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                _ = source  // which lives as long as its handler
                stop()
            }
            source.resume()
        }
    }

    /// Serves until SIGINT or SIGTERM.
    public func serve(_ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>) async throws {
        let channel = try await bootstrap.childChannelInitializer(prepare).bind(host: "127.0.0.1", port: port).get()
        onSignal { channel.close(promise: nil) }
        announce(channel)
        try await channel.closeFuture.get()
        try await group.shutdownGracefully()
    }
}
