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
        .executable(name: "iocp", targets: ["iocp"]),
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
        .executableTarget(
            name: "iocp",
            dependencies: [
                "IOCP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "CIOCPInternals",
            dependencies: ["CIOCP"],
            path: "Tests/CIOCPInternals",
            cSettings: [.define("_GNU_SOURCE"), .define("NDEBUG", .when(configuration: .release))]
        ),
        .testTarget(name: "CIOCPTests", dependencies: ["CIOCPInternals"]),
        .executableTarget(
            name: "iocp-sim",
            dependencies: ["CIOCP"],
            path: "Tests/Sim",
            exclude: ["mutants.sh"],
            cSettings: [.define("_GNU_SOURCE"), .define("NDEBUG", .when(configuration: .release))]
        ),
        .testTarget(name: "SimTests", dependencies: ["iocp-sim"]),
        .target(
            name: "FuzzTargets",
            dependencies: ["CIOCP"],
            path: "Tests/Fuzz",
            exclude: ["README.md", "fuzz.sh", "libfuzzer.c", "operations.c", "Command", "Corpus"],
            cSettings: [.define("_GNU_SOURCE"), .define("NDEBUG", .when(configuration: .release))]
        ),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"]),
        .executableTarget(
            name: "iocp-soak",
            dependencies: [
                "IOCP", "SoakSystem", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Soak"
        ),
        .target(name: "SoakSystem", path: "Tests/SoakSystem", cSettings: [.define("_GNU_SOURCE")]),
        .executableTarget(
            name: "FaultyServer", path: "Tests/CLITests/FaultyServer", swiftSettings: swiftSettings),
        .target(name: "ChildProcesses", path: "Tests/ChildProcesses", swiftSettings: swiftSettings),
        .testTarget(
            name: "CLITests", dependencies: ["iocp", "iocp-soak", "FaultyServer", "ChildProcesses"],
            exclude: ["FaultyServer"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "IOCPTests",
            dependencies: [
                "IOCP", "CIOCPInternals", "ChildProcesses", "AllocationProbe", "ReadmeServer", "ReadmeLoop",
                "TroubledServer",
            ]),
        .executableTarget(name: "ReadmeServer", dependencies: ["IOCP"], path: "Tests/ReadmeServer"),
        .executableTarget(name: "ReadmeLoop", dependencies: ["IOCP"], path: "Tests/ReadmeLoop"),
        .executableTarget(name: "TroubledServer", dependencies: ["IOCP"], path: "Tests/TroubledServer"),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .executableTarget(
            name: "AllocationProbe", dependencies: ["IOCP", "AllocationCounter"], path: "Tests/AllocationProbe"),
    ],
    cLanguageStandard: .gnu11
)
