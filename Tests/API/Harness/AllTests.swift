import IOCP
import Testing

/// One suite above all, serialized: tests count this process' descriptors, and pin threads to two CPUs.
@Suite(.serialized, .enabled(if: uringRefusal == nil, "io_uring is refused here: \(uringRefusal?.description ?? "")"))
struct RealSockets {}

private let uringRefusal: IOCPError? = {
    var configuration = PortConfiguration()
    configuration.driver = .uring
    do throws(IOCPError) {
        _ = try CompletionPort(configuration)
        return nil
    } catch {
        return error.operation == .ring ? error : nil
    }
}()
