// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "swift-iocp",
    products: [
        .library(name: "IOCP", targets: ["IOCP"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(
            name: "CIOCP",
            path: "CSources/CIOCP",
            publicHeadersPath: "include",
            cSettings: [.define("_GNU_SOURCE"), .define("NDEBUG", .when(configuration: .release))],
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("numa")]
        ),
        .target(name: "IOCP", dependencies: ["CIOCP"], swiftSettings: swiftSettings),
        .testTarget(name: "IOCPTests", dependencies: ["IOCP"]),
    ],
    cLanguageStandard: .gnu11
)
