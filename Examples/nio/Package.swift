// swift-tools-version: 6.2
import PackageDescription

// Services that were written for SwiftNIO, on either transport: NIO's own sockets and IOCPNIO. A package of its own, since it
// takes minutes to build; `make test-nio` builds it and drives them with real clients.

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }

let nio: [Target.Dependency] = [
    "Support", product("NIOCore", "swift-nio"), product("NIOHTTP1", "swift-nio"), product("IOCPNIO", "swift-iocp"),
]

let package = Package(
    name: "swift-iocp-nio-examples",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Yours would read: .package(url: "https://github.com/swift-iocp/swift-iocp", from: "0.1.0", traits: ["NIO"])
        .package(name: "swift-iocp", path: "../..", traits: ["NIO"]),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
    ],
    targets: [
        .target(
            name: "Support",
            dependencies: [
                product("NIOCore", "swift-nio"), product("NIOPosix", "swift-nio"), product("IOCP", "swift-iocp"),
                product("IOCPNIO", "swift-iocp"),
            ]),
        .executableTarget(name: "nio-http", dependencies: nio),
        .executableTarget(name: "nio-tls", dependencies: nio + [product("NIOSSL", "swift-nio-ssl")]),
        .executableTarget(name: "nio-http2", dependencies: nio + [product("NIOHTTP2", "swift-nio-http2")]),
        .executableTarget(name: "nio-websocket", dependencies: nio + [product("NIOWebSocket", "swift-nio")]),
        .executableTarget(
            name: "grpc",
            dependencies: nio + [
                product("GRPCCore", "grpc-swift-2"),
                product("GRPCNIOTransportHTTP2Posix", "grpc-swift-nio-transport"),
            ]),
        .executableTarget(
            name: "hummingbird",
            dependencies: nio + [product("Hummingbird", "hummingbird"), product("HummingbirdCore", "hummingbird")]),
    ])
