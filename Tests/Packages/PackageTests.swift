import OwnThreads
import Testing

/// What a package that depends on this one gets for the traits that it names: which packages are fetched with it, and a
/// server that starts and stops.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(10))) struct PackageTests {
    struct Case {
        let name: String
        /// The argument of `.package` in the manifest; nil to leave it out.
        let traits: String?
        let fetched: Set<String>
    }

    /// One folder serves them all, so that the core is compiled once. Hence the order: from what fetches least.
    static let cases = [
        Case(name: "the library alone", traits: "[]", fetched: []),
        Case(
            name: "default traits", traits: nil,
            fetched: ["swift-argument-parser", "hdrhistogram-swift", "swift-numerics"]),
    ]

    @Test func traitsDecideWhatIsFetchedAndTheServerRuns() throws {
        let package = try OutsidePackage()
        for each in Self.cases {
            try package.name(traits: each.traits)
            try package.build()
            #expect(try package.pinned() == each.fetched, "\(each.name)")
            #expect(try package.checkedOut() == each.fetched, "\(each.name)")
            // OpenSSL is for those who use the product IOCPTLS.
            #expect(try !package.linked().contains("libssl") && package.linked().contains("liburing"), "\(each.name)")
            #expect(try package.run() == ["started", "stopped"], "\(each.name)")
        }
    }

    /// They are not built once more: the tests of this package have built them.
    @Test func theTraitServiceFetchesWhatServicesAreBuiltOn() throws {
        let package = try OutsidePackage()
        try package.name(traits: #"["Service"]"#)
        try package.resolve()
        #expect(
            try package.pinned() == [
                "swift-log", "swift-metrics", "swift-configuration", "swift-service-lifecycle",
                "swift-distributed-tracing", "swift-async-algorithms", "swift-collections", "swift-system",
            ])
    }
}
