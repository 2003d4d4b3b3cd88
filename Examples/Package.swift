// swift-tools-version: 6.2
import PackageDescription

// A package of its own, as a user's would be. The trait Service fetches what `orders` logs, measures and is set with; with
// `traits: []` nothing is fetched but the library.

let library: Target.Dependency = .product(name: "IOCP", package: "swift-iocp")
let tls: Target.Dependency = .product(name: "IOCPTLS", package: "swift-iocp")
let serviceGlue: Target.Dependency = .product(name: "IOCPService", package: "swift-iocp")
let settings: [SwiftSetting] = [.strictMemorySafety()]

/// A service: its folder under `Sources/`, and its name here.
func service(_ name: String) -> Target {
    .executableTarget(name: name, dependencies: [library, "Launch"], swiftSettings: settings)
}

let package = Package(
    name: "swift-iocp-examples",
    dependencies: [
        // Yours would read: .package(url: "https://github.com/swift-iocp/swift-iocp", from: "0.1.0",
        //     traits: ["Service", "TLS"])
        .package(name: "swift-iocp", path: "..", traits: ["Service", "TLS"]),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    ],
    targets: [
        .target(name: "Launch", dependencies: [library, tls], swiftSettings: settings),
        service("echo"),
        service("kv"),
        service("http"),
        service("http-async"),
        service("relay"),
        service("relay-async"),
        service("gateway"),
        service("gateway-async"),
        service("chat"),
        service("control"),
        .target(
            name: "OrderService",
            dependencies: [
                library, serviceGlue, .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),
        .executableTarget(
            name: "orders", dependencies: [library, serviceGlue, "OrderService"], swiftSettings: settings),
        .executableTarget(
            name: "orders-async", dependencies: [library, serviceGlue, "OrderService"], swiftSettings: settings),
    ])
