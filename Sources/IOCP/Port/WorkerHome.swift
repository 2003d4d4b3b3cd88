/// What a context keeps of its worker.
///
/// The port, because the context points into its memory. Not the worker: a thread ends its attached worker by releasing it,
/// and a context that somebody kept must not prevent that.
final class WorkerHome {
    let port: CompletionPort
    weak var worker: Worker?

    init(_ port: CompletionPort) {
        self.port = port
    }
}
