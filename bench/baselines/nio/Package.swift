// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the bench builds where SwiftNIO cannot be had.

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "IOCP", package: "swift-iocp"),
    .product(name: "IOCPNIO", package: "swift-iocp"),
]
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "swift-iocp-bench-nio",
    dependencies: [
        .package(name: "swift-iocp", path: "../../..", traits: ["NIO"]),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .target(
            name: "Support",
            dependencies: nio + [argumentParser],
            swiftSettings: [.strictMemorySafety()]),
        .executableTarget(
            name: "echo-nio",
            dependencies: nio + ["Support", argumentParser],
            swiftSettings: [.strictMemorySafety()]),
        .executableTarget(
            name: "echo-nio-async",
            dependencies: nio + ["Support", argumentParser],
            swiftSettings: [.strictMemorySafety()]),
        .executableTarget(
            name: "timers-nio",
            dependencies: nio + ["Support", argumentParser],
            swiftSettings: [.strictMemorySafety()]),
        .executableTarget(
            name: "echo-nio-tls",
            dependencies: nio + ["Support", argumentParser, .product(name: "NIOSSL", package: "swift-nio-ssl")],
            swiftSettings: [.strictMemorySafety()]),
    ],
    swiftLanguageModes: [.v6])
