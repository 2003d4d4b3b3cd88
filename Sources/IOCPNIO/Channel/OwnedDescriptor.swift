#if NIO
import Glibc

/// A descriptor that is closed when nobody takes it over. Thread: a loop's; its end, any.
final class OwnedDescriptor: @unchecked Sendable {
    let descriptor: Int32
    var isOwned = true

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { if isOwned { close(descriptor) } }
}
#endif
