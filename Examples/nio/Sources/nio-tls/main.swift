import NIOCore
import NIOSSL
import Support

// Echo behind swift-nio-ssl: --certificate FILE --key FILE, both PEM.

let launch = try Launch(taking: ["certificate", "key"])
guard let certificate = launch.more["certificate"], let key = launch.more["key"] else {
    Launch.refuse("nio-tls takes --certificate FILE and --key FILE")
}
let context = try NIOSSLContext(
    configuration: .makeServerConfiguration(
        certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
        privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
try await launch.serve { channel in
    channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandlers(NIOSSLServerHandler(context: context), EchoHandler())
    }
}
