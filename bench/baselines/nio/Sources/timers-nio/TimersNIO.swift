import ArgumentParser
import NIOCore
import Support
import Synchronization

@main
struct TimersNIO: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timers-nio", abstract: "How late the scheduled tasks of an otherwise idle loop run.")

    @Option(help: "Under the loop: NIO's own sockets, or IOCPNIO on a driver.")
    var transport = Transport.posix

    @Option(help: "Tasks, 1000 to 1000000, a thousand at a time, due 1 to 100 ms from when they are scheduled.")
    var tasks = 20_000

    func validate() throws {
        guard (1_000...1_000_000).contains(tasks) else { throw ValidationError("--tasks takes 1000 to 1000000, not \(tasks)") }
    }

    func run() throws {
        let group = try transport.group()
        let loop = group.next()
        let lateness = Mutex<[Int64]>([])
        // A thousand at a time, of which one is due every 99 us.
        for _ in 0..<(tasks + 999) / 1_000 {
            let all = (0..<1_000).map { index in
                let due = NIODeadline.now() + .microseconds(1_000 + Int64(index) * 99)
                return loop.scheduleTask(deadline: due) {
                    let late = NIODeadline.now() - due
                    lateness.withLock { $0.append(late.nanoseconds) }
                }.futureResult
            }
            try EventLoopFuture.andAllSucceed(all, on: loop).wait()
        }
        try group.syncShutdownGracefully()
        let sorted = lateness.withLock { $0.sorted() }
        func percentile(_ percent: Double) -> String {
            let place = min(sorted.count - 1, Int(Double(sorted.count) * percent / 100))
            return "\(sorted[place] / 1_000) us"
        }
        let told = [50, 99, 99.9].map { "p\($0) \(percentile($0))" }.joined(separator: ", ")
        print("\(sorted.count) tasks, late by \(told); the earliest by \(percentile(0))")
    }
}
