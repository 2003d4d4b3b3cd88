// swift-tools-version: 6.2
import PackageDescription

// A package of its own, as a user's would be: `traits: []` fetches nothing but the library.

let library: Target.Dependency = .product(name: "IOCP", package: "swift-iocp")
let tls: Target.Dependency = .product(name: "IOCPTLS", package: "swift-iocp")
let settings: [SwiftSetting] = [.strictMemorySafety()]

/// A service: its folder under `Sources/`, and its name here.
func service(_ name: String) -> Target {
    .executableTarget(name: name, dependencies: [library, "Launch"], swiftSettings: settings)
}

let package = Package(
    name: "swift-iocp-examples",
    dependencies: [
        // Yours would read: .package(url: "https://github.com/swift-iocp/swift-iocp", from: "0.1.0", traits: [])
        .package(name: "swift-iocp", path: "..", traits: [])
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
    ])
