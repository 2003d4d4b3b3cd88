#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Opens one worker's share of the connections, a window of them at a time.
struct LoadConnector {
    private let plan: LoadPlan
    private let monitor: LoadMonitor
    private let count: Int
    private var asked = 0
    private var hasBegun = false
    private var arrivedCount = 0

    init(_ plan: LoadPlan, _ monitor: LoadMonitor, ofWorker worker: Int) {
        (self.plan, self.monitor) = (plan, monitor)
        count = plan.connections(ofWorker: worker)
    }

    /// Each connect's key is the connection's index on its worker.
    mutating func connectMore(on worker: Worker) {
        defer {
            if !hasBegun { monitor.begun() }
            hasBegun = true
        }
        while asked < count, asked - arrivedCount < plan.connectWindow {
            let number = plan.number(of: asked, onWorker: worker.index)
            do throws(IOCPError) {
                try worker.connect(
                    to: plan.target, from: plan.source(ofConnection: number), key: UInt64(asked), security: plan.security)
            } catch {
                // EBUSY: the completion queue is full of connects that are answered soon, and then it is tried again.
                if error.code != EBUSY || asked == arrivedCount { monitor.connectFailed(error, of: number) }
                return
            }
            asked += 1
            monitor.asked()
        }
    }

    /// A connection has come as far as the next one waits for.
    mutating func arrived(on worker: Worker) {
        arrivedCount += 1
        connectMore(on: worker)
    }
}
#endif
