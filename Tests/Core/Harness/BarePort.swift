import CIOCPInternals
import Testing

/// A port of one worker that nobody opened. The caller destroys it.
func createPort(driver: iocp_driver_kind) throws -> OpaquePointer {
    var configuration = iocp_port_config_default()
    configuration.driver = driver
    configuration.worker_count = 1
    var failure = iocp_failure()
    var created: OpaquePointer?
    try #require(iocp_port_create(&configuration, &created, &failure) == 0)
    return try #require(created)
}
