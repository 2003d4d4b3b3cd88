import ArgumentParser
import NIOCore
import Support

@main
struct EchoNIO: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo-nio",
        abstract: "Echo on SwiftNIO's channel handlers, one event loop, until SIGINT or SIGTERM.")

    @OptionGroup var listen: ListenOptions

    @Option(help: "Bytes of a frame, 1 to 1048576: sends each that is received to all other connections.")
    var fanOut: Int?

    func validate() throws {
        if let fanOut, !(1...1_048_576).contains(fanOut) {
            throw ValidationError("--fan-out takes 1 to 1048576 bytes, not \(fanOut)")
        }
    }

    func run() throws {
        OpenFileLimit.raise()
        var signals = TerminationSignals()
        let group = try listen.transport.group()
        let listener = try bootstrap(group).bind(host: listen.host, port: listen.port).wait()
        Announcement.print(listener)
        signals.wait()
        try group.syncShutdownGracefully()
    }

    private func bootstrap(_ group: any EventLoopGroup) -> any EchoBootstrap {
        let bootstrap = listen.transport.bootstrap(group)
        guard let fanOut else { return EchoHandler.configure(bootstrap) }
        return FanOutHandler.configure(bootstrap, frameBytes: fanOut, on: group.next())
    }
}
