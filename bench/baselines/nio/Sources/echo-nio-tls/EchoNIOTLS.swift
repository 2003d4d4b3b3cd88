import ArgumentParser
import NIOCore
import NIOSSL
import Support

@main
struct EchoNIOTLS: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo-nio-tls",
        abstract: "TLS echo on SwiftNIO's channel handlers and swift-nio-ssl, one event loop, until SIGINT or SIGTERM.")

    @OptionGroup var listen: ListenOptions

    @Option(help: "PEM file of the certificate.")
    var tlsCertificate: String

    @Option(help: "PEM file of its key.")
    var tlsKey: String

    func run() throws {
        OpenFileLimit.raise()
        var signals = TerminationSignals()
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(tlsCertificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: tlsKey, format: .pem)))
        let context = try NIOSSLContext(configuration: configuration)
        let group = try listen.transport.group()
        let bootstrap = listen.transport.bootstrap(group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try ConnectionOptions.echo.apply(to: channel)
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                try channel.pipeline.syncOperations.addHandler(EchoHandler())
            }
        }
        let listener = try bootstrap.bind(host: listen.host, port: listen.port).wait()
        Announcement.print(listener)
        signals.wait()
        try group.syncShutdownGracefully()
    }
}
