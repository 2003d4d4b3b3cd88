import CIOCPInternals
import Testing

/// The sanitizer this was built with, or nil.
let sanitizer: String? = internals_sanitizer().map { String(cString: $0) }

extension Trait where Self == ConditionTrait {
    /// A trap ends the process it happens in, so it is watched from outside, in a copy of the test's process.
    static var watchesTraps: Self {
        .disabled(if: sanitizer == "thread", "a copy of this process started under the thread sanitizer reports its own exit")
    }
}

/// The bytes of a poisoned buffer, in debug builds.
let poison: UInt8? = {
    #if DEBUG
        0xdb
    #else
        nil
    #endif
}()
