import ArgumentParser
import Foundation

@main
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Compares iocp with the traditional server models on this machine.",
        discussion: """
            Every server gets one CPU and the load another; all traffic stays on the loopback \
            network. Exits with 1 if iocp itself failed or echoed a wrong byte.
            """)

    @Option(help: "The iocp command. (default: ../.build/release/iocp, seen from this package)")
    var iocp: String?

    @Option(help: "Folder of the baseline servers. (default: the folder of this executable)")
    var baselines: String?

    @Option(help: "Folder for the reports. (default: results, in this package)")
    var output: String?

    @Option(help: "Rounds; the report gives their medians.")
    var rounds = 3

    @Option(help: "Seconds of load in each measurement.")
    var seconds = 3

    @Option(help: "Seconds after which no further measurement is started.")
    var timeLimit = 270

    @Option(help: "Run this workload alone.")
    var only: String?

    @Flag(help: "Name the workloads and contenders, and end.")
    var list = false

    func validate() throws {
        guard (1...100).contains(rounds) else {
            throw ValidationError("--rounds must be between 1 and 100")
        }
        guard (1...600).contains(seconds) else {
            throw ValidationError("--seconds must be between 1 and 600")
        }
        guard timeLimit > 0 else {
            throw ValidationError("--time-limit must be above 0")
        }
        if let only, !Workload.all.contains(where: { $0.name == only }) {
            let names = Workload.all.map(\.name).joined(separator: ", ")
            throw ValidationError("no workload '\(only)'; there are \(names)")
        }
    }

    func run() throws {
        if list {
            printList()
            return
        }
        Interruption.listen()
        let report: Report
        do {
            report = try measure()
        } catch is Interruption.Received {
            throw ExitCode(130)
        }
        print(report.text, terminator: "")
        let folder =
            output.map { URL(fileURLWithPath: $0) }
            ?? Folders.ofPackage().appendingPathComponent("results")
        let files = try ReportFiles(folder: folder).write(report)
        print("\nreports: \(files.joined(separator: ", "))")
        if !report.subjectPassed { throw ExitCode.failure }
    }

    private func measure() throws -> Report {
        let iocp =
            iocp
            ?? Folders.ofPackage().appendingPathComponent("../.build/release/iocp").standardized.path
        guard FileManager.default.isExecutableFile(atPath: iocp) else {
            throw Failure("no iocp command at \(iocp): build it with 'swift build -c release'")
        }
        let placement = try Placement.choose()
        let limits = Limits.current()
        let machine = Machine.current(placement: placement, limits: limits)
        let workloads = Workload.all.filter { only == nil || $0.name == only }
        let schedule = Schedule(
            workloads: workloads, rounds: rounds, seconds: seconds, timeLimit: .seconds(timeLimit),
            placement: placement, limits: limits, iocp: iocp,
            baselines: baselines ?? Folders.ofExecutable().path)

        let started = ContinuousClock.now
        let entries = try schedule.run(progress: Progress())
        return Report(
            entries: entries, workloads: workloads, machine: machine, rounds: rounds,
            seconds: seconds, wall: .now - started)
    }

    private func printList() {
        var workloads = Table(headers: ["workload", "contenders"], leading: 2)
        for workload in Workload.all {
            workloads.append([
                "\(workload.name): \(workload.summary)",
                workload.contenders.joined(separator: ", "),
            ])
        }
        var contenders = Table(headers: ["contender", "what it is"], leading: 2)
        for contender in Contender.all {
            contenders.append([contender.name, contender.summary])
        }
        print(workloads.text + "\n\n" + contenders.text)
    }
}
