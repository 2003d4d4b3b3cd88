import CIOCPInternals

/// The deadline wheel of the core's, in virtual time, closed with its owner.
final class Wheel {
    private let wheel: OpaquePointer
    static let tick = UInt64(1) << IOCP_COARSE_TICK_BITS
    /// Of user timers, once they are near.
    static let fineTick = UInt64(1) << IOCP_FINE_TICK_BITS
    static let turn = tick * UInt64(IOCP_WHEEL_BUCKETS)

    init(entries: UInt32, now: UInt64) { wheel = internals_wheel_create(entries, UInt32(IOCP_COARSE_TICK_BITS), now)! }
    deinit { internals_wheel_destroy(wheel) }

    func arm(_ entry: UInt32, due: UInt64) { internals_wheel_arm(wheel, entry, due) }
    func disarm(_ entry: UInt32) { internals_wheel_disarm(wheel, entry) }

    func pop(_ now: UInt64) -> UInt32? {
        let entry = internals_wheel_pop(wheel, now)
        return entry == .max ? nil : entry
    }

    func popAll(_ now: UInt64) -> [UInt32] {
        var all: [UInt32] = []
        while let entry = pop(now) { all.append(entry) }
        return all
    }

    func wait(_ now: UInt64) -> UInt64 { internals_wheel_wait_ns(wheel, now) }
    var armed: Int { Int(internals_wheel_armed_count(wheel)) }
}
