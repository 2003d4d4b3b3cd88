import SharedHarness

extension Randomness {
    /// A microsecond to ten seconds.
    mutating func time() -> Duration { .microseconds(magnitude(upTo: 10_000_000)) }
}
