import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Asks the system for the addresses of hosts on threads of its own: a resolver may take many seconds, which no worker
/// and no caller should wait for. A thread ends when nothing is left to ask.
final class Resolver: Sendable {
    static let shared = Resolver()

    /// Each waits for one answer, so one name server that is slow does not hold up all others.
    private static let threadsMax = 8

    private struct Question: Sendable {
        let host: String
        let port: Int
        let answer: @Sendable (Result<[SocketAddress], IOCPError>) -> Void
    }

    private struct State: Sendable {
        var questions: [Question] = []
        var threadCount = 0
    }
    private let state = Mutex(State())

    /// `answer` is called once, on a thread of the resolver's. Who asks bounds how much is asked.
    /// - Throws: EAGAIN when no thread can be started; then `answer` is not called.
    func addresses(
        of host: String, port: Int, answer: @escaping @Sendable (Result<[SocketAddress], IOCPError>) -> Void
    ) throws(IOCPError) {
        let question = Question(host: host, port: port, answer: answer)
        let refusal: Int32 = state.withLock { state in
            if state.threadCount < Resolver.threadsMax {
                let result = Resolver.startThread()
                // The threads there are will come to it.
                if result != 0, state.threadCount == 0 { return result }
                if result == 0 { state.threadCount += 1 }
            }
            state.questions.append(question)
            return 0
        }
        if refusal != 0 { throw IOCPError(code: refusal, operation: .thread, detail: "a thread for the resolver") }
    }

    private func answerAll() {
        while let question = next() {
            question.answer(
                Result { () throws(IOCPError) in try SocketAddress.all(host: question.host, port: question.port) })
        }
    }

    /// nil ends the thread.
    private func next() -> Question? {
        state.withLock { state in
            if state.questions.isEmpty {
                state.threadCount -= 1
                return nil
            }
            return state.questions.removeFirst()
        }
    }

    private static func startThread() -> Int32 {
        var thread = pthread_t()
        Worker.unbindThread()
        let result = unsafe pthread_create(&thread, nil, run, nil)
        if result == 0 { pthread_detach(thread) }
        return result
    }

    /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
    private static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
        Resolver.shared.answerAll()
        return nil
    }
}
