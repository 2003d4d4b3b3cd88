import ArgumentParser

/// Where a baseline listens.
public struct ListenOptions: ParsableArguments {
    @Option(help: "Address or name to listen on.")
    public var host = "127.0.0.1"

    @Option(help: "TCP port, 0 to 65535; 0 takes a free one.")
    public var port = 0

    @Option(help: "Under the handlers: NIO's own sockets, or IOCPNIO on a driver.")
    public var transport = Transport.posix

    public init() {}

    public func validate() throws {
        guard (0...65_535).contains(port) else {
            throw ValidationError("--port takes 0 to 65535, not \(port)")
        }
    }
}
