import IOCP
import OwnThreads
import Testing

/// One suite above all, serialized: tests count this process' descriptors, and pin threads to two CPUs.
@Suite(
    .serialized, .ownThreads, .opensRuntimeDescriptors,
    .enabled(if: uringRefusal == nil, "io_uring is refused here: \(uringRefusal?.description ?? "")"))
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

extension Trait where Self == ConditionTrait {
    /// The runtime opens descriptors of its own at the first sleep: before a test counts them.
    fileprivate static var opensRuntimeDescriptors: Self {
        .enabled {
            try await Task.sleep(for: .milliseconds(1))
            return true
        }
    }
}
