// swift-tools-version: 6.2
// The iocp command without its main, and libFuzzer's instead. fuzz.sh lays it out in .build-fuzz/command.
import PackageDescription

let package = Package(
    name: "iocp-fuzz",
    dependencies: [
        .package(name: "swift-iocp", path: "../..", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(name: "CPage", cSettings: [.define("_GNU_SOURCE")]),
        .executableTarget(
            name: "cli",
            dependencies: [
                "CPage",
                .product(name: "IOCP", package: "swift-iocp"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: [.strictMemorySafety(), .enableExperimentalFeature("Lifetimes"), .define("Command")])
    ],
    cLanguageStandard: .gnu11
)
