// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that what the comparison needs never reaches a user of the library.

/// A baseline server in C; a new one is its folder under `baselines/` and its name here.
func baseline(_ name: String, linking libraries: [String] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["BaselineSupport"],
        path: "baselines/\(name)",
        cSettings: baselineWarnings,
        linkerSettings: libraries.map { .linkedLibrary($0) })
}

let baselineWarnings: [CSetting] = [
    .enableWarning("all"),
    .enableWarning("extra"),
    .enableWarning("shadow"),
]

let package = Package(
    name: "swift-iocp-bench",
    products: [
        // Preloaded into a server whose allocations are counted.
        .library(name: "MallocCount", type: .dynamic, targets: ["MallocCount"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(
            name: "BaselineSupport",
            path: "baselines/support",
            cSettings: baselineWarnings),
        baseline("echo-select"),
        baseline("echo-poll"),
        baseline("echo-threads"),
        baseline("echo-epoll"),
        baseline("echo-uring", linking: ["uring"]),
        .target(name: "CLaunch", cSettings: baselineWarnings),
        .target(name: "MallocCount", cSettings: baselineWarnings),
        .executableTarget(
            name: "bench",
            dependencies: [
                "CLaunch",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11)
