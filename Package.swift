// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableExperimentalFeature("Lifetimes"),
    .enableExperimentalFeature("SuppressedAssociatedTypes"),
    .enableUpcomingFeature("ExistentialAny"),
]

/// The core's, and of what is compiled against its inner headers.
let coreSettings: [CSetting] = [.define("_GNU_SOURCE"), .define("NDEBUG", .when(configuration: .release))]

/// What IOCPService is built on, fetched with the trait alone.
func service(_ product: String, _ package: String) -> Target.Dependency {
    .product(name: product, package: package, condition: .when(traits: ["Service"]))
}

/// What IOCPNIO is built on, and tested with, fetched with the trait alone.
func nio(_ product: String) -> Target.Dependency {
    .product(name: product, package: "swift-nio", condition: .when(traits: ["NIO"]))
}

let package = Package(
    name: "swift-iocp",
    products: [
        .library(name: "IOCP", targets: ["IOCP"]),
        .library(name: "IOCPTLS", targets: ["IOCPTLS"]),
        .library(name: "IOCPService", targets: ["IOCPService"]),
        .library(name: "IOCPNIO", targets: ["IOCPNIO"]),
        .executable(name: "iocp", targets: ["iocp"]),
    ],
    traits: [
        .default(enabledTraits: ["Command", "TLS"]),
        .trait(
            name: "Command",
            description: "The iocp command. Without it no other package is fetched: `traits: []` in a dependency."),
        .trait(
            name: "TLS",
            description: """
                TLS in the iocp command, and in the settings of IOCPService. The product IOCPTLS is built with OpenSSL 3 \
                (libssl-dev) where it is used.
                """),
        .trait(
            name: "Service",
            description: """
                The product IOCPService: logs, metrics, settings, systemd, health and a stop that loses nothing, by \
                swift-log, swift-metrics, swift-configuration, swift-service-lifecycle and swift-distributed-tracing.
                """),
        .trait(
            name: "NIO",
            description: "The product IOCPNIO: event loops, bootstraps and channels for SwiftNIO's handlers on a port."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0",
            traits: [.defaults, "CommandLineArguments"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .target(
            name: "CIOCP",
            path: "CSources/CIOCP",
            publicHeadersPath: "include",
            cSettings: coreSettings,
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("numa")]
        ),
        .target(name: "IOCP", dependencies: ["CIOCP"], swiftSettings: swiftSettings),
        .systemLibrary(
            name: "COpenSSL", path: "CSources/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "CIOCPTLS", dependencies: ["CIOCP", "COpenSSL"], path: "CSources/CIOCPTLS",
            publicHeadersPath: "include", cSettings: coreSettings),
        .target(name: "IOCPTLS", dependencies: ["IOCP", "CIOCP", "CIOCPTLS"], swiftSettings: swiftSettings),
        .target(
            name: "IOCPService",
            dependencies: [
                "IOCP",
                .target(name: "IOCPTLS", condition: .when(traits: ["TLS"])),
                service("Logging", "swift-log"),
                service("Metrics", "swift-metrics"),
                service("Configuration", "swift-configuration"),
                service("ServiceLifecycle", "swift-service-lifecycle"),
                service("UnixSignals", "swift-service-lifecycle"),
                service("Instrumentation", "swift-distributed-tracing"),
            ],
            swiftSettings: swiftSettings),
        .target(name: "IOCPNIO", dependencies: ["IOCP", nio("NIOCore")], swiftSettings: swiftSettings),
        .executableTarget(
            name: "iocp",
            dependencies: [
                "IOCP", "CIOCP",
                .target(name: "IOCPTLS", condition: .when(traits: ["TLS"])),
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Command"])),
                .product(name: "Histogram", package: "hdrhistogram-swift", condition: .when(traits: ["Command"])),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "CoreTests", dependencies: ["CIOCPInternals", "SharedHarness", "OwnThreads"], path: "Tests/Core"),
        .testTarget(
            name: "APITests",
            dependencies: [
                "IOCP", "IOCPTLS", "CIOCPInternals", "COpenSSL", "SharedHarness", "ChildProcesses", "OwnThreads",
                "AllocationProbe", "ReadmeServer", "ReadmeAsync", "ReadmeLoop", "ReadmeFrames", "GuideServer", "GuideAsync", "GuideEcho",
                "TroubledServer", "iocp-generate", "iocp-docs",
            ],
            path: "Tests/API"),
        .testTarget(
            name: "AsyncSimTests", dependencies: ["IOCP", "CIOCPInternals", "SharedHarness"], path: "Tests/AsyncSim"),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "IOCP", "IOCPTLS", "IOCPService", "SharedHarness", "ChildProcesses",
                service("InMemoryLogging", "swift-log"), service("MetricsTestKit", "swift-metrics"),
                service("ServiceLifecycleTestKit", "swift-service-lifecycle"),
                service("InMemoryTracing", "swift-distributed-tracing"),
                service("Tracing", "swift-distributed-tracing"),
                service("Configuration", "swift-configuration"),
            ],
            path: "Tests/Service"),
        .testTarget(
            name: "IOCPNIOTests",
            dependencies: [
                "IOCPNIO", "IOCP", "iocp", "ChildProcesses", "SharedHarness", nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
            ],
            path: "Tests/NIO"),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "iocp", "iocp-soak", "iocp-docs", "FaultyServer", "TimedServer", "ChildProcesses", "OwnThreads",
            ],
            path: "Tests/Command", swiftSettings: swiftSettings),
        .testTarget(
            name: "PackageTests", dependencies: ["iocp", "ChildProcesses", "OwnThreads"], path: "Tests/Packages",
            swiftSettings: swiftSettings),

        .executableTarget(name: "iocp-sim", dependencies: ["CIOCP"], path: "Tests/Sim/Play", cSettings: coreSettings),
        .testTarget(name: "SimTests", dependencies: ["iocp-sim", "OwnThreads"], path: "Tests/Sim/Tests"),
        .target(
            name: "FuzzTargets", dependencies: ["CIOCP", "CIOCPTLS", "COpenSSL"], path: "Tests/Fuzz/Targets",
            exclude: ["libfuzzer.c", "operations.c"],
            cSettings: coreSettings + [.headerSearchPath("../../../CSources/CIOCPTLS")]),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Tests"),
        .executableTarget(
            name: "iocp-soak",
            dependencies: [
                "IOCP", "IOCPTLS", "SoakSystem", "SharedHarness", "ChildProcesses",
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Command"])),
            ],
            path: "Tests/Soak", exclude: ["System"]
        ),
        .target(name: "SoakSystem", path: "Tests/Soak/System", cSettings: [.define("_GNU_SOURCE")]),

        .target(
            name: "CIOCPInternals", dependencies: ["CIOCP"], path: "Tests/Support/CIOCPInternals",
            cSettings: coreSettings),
        .executableTarget(name: "iocp-generate", dependencies: ["CIOCP"], path: "Tests/Support/Generate"),
        .executableTarget(
            name: "iocp-docs", path: "Tests/Support/Documentation", exclude: ["docs.sh", "symbols.sh"]),
        .target(name: "OwnThreads", path: "Tests/Support/OwnThreads"),
        .target(name: "SharedHarness", path: "Tests/Support/SharedHarness"),
        .target(name: "ChildProcesses", path: "Tests/Support/ChildProcesses", swiftSettings: swiftSettings),
        .target(name: "AllocationCounter", path: "Tests/Support/AllocationCounter"),
        .executableTarget(
            name: "AllocationProbe", dependencies: ["IOCP", "AllocationCounter"],
            path: "Tests/Support/AllocationProbe"),
        .executableTarget(name: "ReadmeServer", dependencies: ["IOCP"], path: "Tests/Support/ReadmeServer"),
        .executableTarget(name: "ReadmeAsync", dependencies: ["IOCP"], path: "Tests/Support/ReadmeAsync"),
        .executableTarget(name: "ReadmeLoop", dependencies: ["IOCP"], path: "Tests/Support/ReadmeLoop"),
        .executableTarget(name: "ReadmeFrames", dependencies: ["IOCP"], path: "Tests/Support/ReadmeFrames"),
        .executableTarget(name: "GuideServer", dependencies: ["IOCP"], path: "Tests/Support/GuideServer"),
        .executableTarget(name: "GuideAsync", dependencies: ["IOCP"], path: "Tests/Support/GuideAsync"),
        .executableTarget(name: "GuideEcho", dependencies: ["IOCP"], path: "Tests/Support/GuideEcho"),
        .executableTarget(name: "TroubledServer", dependencies: ["IOCP"], path: "Tests/Support/TroubledServer"),
        .executableTarget(name: "TimedServer", dependencies: ["IOCP"], path: "Tests/Support/TimedServer"),
        .executableTarget(name: "iocp-blocking", dependencies: ["IOCP"], path: "Tests/Support/BlockingServer"),
        .executableTarget(name: "FaultyServer", path: "Tests/Support/FaultyServer", swiftSettings: swiftSettings),
    ],
    cLanguageStandard: .gnu11
)
