import Glibc
import IOCP

// A server without clients for the tests of its histograms: its only worker is woken, holds its thread and starts timers by a plan.
// At the end it tells what its page counted, a line for each histogram. What a tracer cannot know it is told by marks: a write to
// no descriptor, whose byte count is the time at which the timer was due.
struct Timed: ConnectionHandler {
    /// What a post asks for: to hold the thread for so many microseconds, or with this bit, to start a timer of so many.
    static let startsTimer: UInt64 = 1 << 32

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) {}

    func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {
        guard value & Timed.startsTimer != 0 else {
            if value > 0 { usleep(UInt32(value)) }
            return
        }
        let microseconds = Int(value & ~Timed.startsTimer)
        let due = monotonicNanoseconds() + microseconds * 1000
        try worker.schedule(after: .microseconds(microseconds)) { _ = write(-1, nil, due) }
    }
}

func monotonicNanoseconds() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec
}

var configuration = PortConfiguration()
configuration.workers = 1
configuration.driver = CommandLine.arguments[1] == "epoll" ? .epoll : .uring
let server = try IOCPServer(configuration) { _ in Timed() }

/// Each post finds the worker asleep: it has ended what the one before asked for.
func post(_ value: UInt64, takingMicroseconds duration: UInt32) throws {
    try server.port.post(value, toWorker: 0)
    usleep(duration + 2000)
}

// In the middle of their buckets: from 1.05, 2.10, 4.19 and 8.39 ms on.
for (hold, count) in [(1500, 40), (3100, 30), (6300, 20), (12_500, 10)] {
    for _ in 0..<count { try post(UInt64(hold), takingMicroseconds: UInt32(hold)) }
}
for _ in 0..<200 { try post(0, takingMicroseconds: 0) }
for delay in 1...60 { try post(Timed.startsTimer | UInt64(delay * 100), takingMicroseconds: UInt32(delay * 100)) }

for histogram in server.port.stats(ofWorker: 0).histograms {
    print(histogram.name, histogram.buckets.map(String.init).joined(separator: " "))
}
server.stop()
try server.wait()
