// swift-tools-version: 6.2
// The iocp command without its main, and libFuzzer's instead. fuzz.sh lays it out in .build-fuzz/command.
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableExperimentalFeature("Lifetimes"),
    .enableExperimentalFeature("SuppressedAssociatedTypes"),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "iocp-fuzz",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(name: "CPage", cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "CIOCP", publicHeadersPath: "include", cSettings: [.define("_GNU_SOURCE")],
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("numa")]),
        .target(name: "IOCP", dependencies: ["CIOCP"], swiftSettings: swiftSettings),
        .executableTarget(
            name: "cli",
            dependencies: [
                "CPage", "IOCP", "CIOCP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: swiftSettings + [.define("Command")]),
    ],
    cLanguageStandard: .gnu11
)
