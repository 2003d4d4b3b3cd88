import Glibc

/// Runs `body` on a thread of its own and waits for it: what a value does that was moved to another thread as a whole.
@discardableResult
package func elsewhere<Result>(_ body: () -> Result) -> Result {
    var result: Result?
    withoutActuallyEscaping({ result = body() }) { escaping in
        var thread = pthread_t()
        let call = Unmanaged.passRetained(Call(escaping))
        precondition(pthread_create(&thread, nil, Call.enter, call.toOpaque()) == 0)
        pthread_join(thread, nil)
    }
    return result!
}

private final class Call {
    private var body: (() -> Void)?
    init(_ body: @escaping () -> Void) { self.body = body }

    static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        let call = Unmanaged<Call>.fromOpaque(context!).takeRetainedValue()
        call.body!()
        call.body = nil
        return nil
    }
}
