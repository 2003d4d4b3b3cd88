import CIOCPInternals

/// Receive buffers of the core's, closed with their owner.
final class ReceiveBuffers {
    let pointer: UnsafeMutablePointer<iocp_receive_buffers> = .allocate(capacity: 1)

    init(large: UInt32, bytes: UInt32 = 4096, small: UInt32 = 0, smallBytes: UInt32 = 512) {
        precondition(iocp_receive_buffers_open(pointer, 0, bytes, large, smallBytes, small) == 0)
    }

    deinit {
        iocp_receive_buffers_close(pointer)
        pointer.deallocate()
    }

    func provide(_ kind: iocp_buffer_class = IOCP_BUFFER_LARGE) -> UInt16? {
        let id = iocp_receive_buffers_provide(pointer, kind)
        return id < 0 ? nil : UInt16(id)
    }

    func provideAll(_ kind: iocp_buffer_class = IOCP_BUFFER_LARGE) -> [UInt16] {
        var all: [UInt16] = []
        while let id = provide(kind) { all.append(id) }
        return all
    }

    func driverDone(_ id: UInt16) { iocp_receive_buffers_driver_done(pointer, id) }
    func lease(_ id: UInt16) { iocp_receive_buffers_lease(pointer, id) }
    func giveBack(_ id: UInt16) { iocp_receive_buffers_return(pointer, id) }
    func start(_ id: UInt16) -> UnsafeMutablePointer<UInt8> { iocp_receive_buffers_start(pointer, id) }
    func kind(_ id: UInt16) -> iocp_buffer_class { iocp_receive_buffers_class(pointer, id) }

    func range(_ kind: iocp_buffer_class = IOCP_BUFFER_LARGE) -> iocp_buffer_range {
        kind == IOCP_BUFFER_LARGE ? pointer.pointee.classes.0 : pointer.pointee.classes.1
    }

    func contents(_ id: UInt16) -> [UInt8] {
        Array(UnsafeBufferPointer(start: start(id), count: Int(range(kind(id)).buffer_bytes)))
    }

    var leases: UInt32 { pointer.pointee.lease_count }
}
