import CIOCPInternals
import Glibc
import Testing

/// What the core answers to addresses that the Swift layer never passes to it.
@Suite struct AddressTests {
    private let address = iocp_address(
        family_is_v6: 0, bytes: (127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), port_be: 0, scope_id: 0)

    @Test func textThatDoesNotFitIsRefused() {
        var address = address
        var text = [CChar](repeating: 0, count: 16)
        #expect(iocp_address_format(&address, &text, 9) == -ENOSPC)
        #expect(iocp_address_format(&address, &text, 10) == 0)
        #expect(String(cString: text) == "127.0.0.1")
    }

    @Test func oneToSixteenAddressesAreListenedOn() throws {
        let port = try createPort(driver: IOCP_DRIVER_EPOLL)
        var failure = iocp_failure()
        defer { iocp_port_destroy(port) }
        let endpoints = [iocp_endpoint](repeating: iocp_endpoint(), count: 17)
        var bound = endpoints
        for count in [0, 17] as [UInt32] {
            #expect(iocp_port_listen_on(port, endpoints, count, nil, &bound, nil, &failure) == -EINVAL)
            #expect(failure.stage == IOCP_STAGE_LISTEN)
        }
    }
}
