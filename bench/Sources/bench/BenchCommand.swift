import ArgumentParser
import Foundation

@main
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Compares iocp with the traditional server models on this machine.",
        discussion: """
            The servers share one CPU and take turns, the loads another; all traffic stays on the loopback \
            network. Exits with 1 if iocp itself failed or echoed a wrong byte.
            """)

    @Option(help: "The iocp command. (default: ../.build/release/iocp, seen from this package)")
    var iocp: String?

    @Option(help: "Folder of the baseline servers. (default: the folder of this executable)")
    var baselines: String?

    @Option(help: "Folder of the peer servers. (default: .build/peers, in this package)")
    var peers: String?

    @Option(help: "Folder for the reports. (default: results, in this package)")
    var output: String?

    @Option(help: "Pairs of slices, of iocp and each other server: the load turns from one to the other.")
    var slices = 20

    @Option(help: "Milliseconds of a slice. Its first fifth does not count; some workloads take fewer and longer ones.")
    var sliceMs = 250

    @Option(help: "Seconds after which no further slice is taken. (default: 285; none with --all or --only)")
    var timeLimit: Int?

    @Option(help: "Run this workload alone; may be given several times.")
    var only: [String] = []

    @Flag(help: "Run every workload, not the short selection only.")
    var all = false

    @Option(help: "Let this contender take part, and no others but those named so; may be given several times.")
    var contender: [String] = []

    @Flag(help: "Count user-side instructions under valgrind instead, and time nothing.")
    var instructions = false

    @Flag(help: "Name the workloads and contenders, and end.")
    var list = false

    func validate() throws {
        guard (1...10_000).contains(slices) else {
            throw ValidationError("--slices must be between 1 and 10000")
        }
        guard (20...60_000).contains(sliceMs) else {
            throw ValidationError("--slice-ms must be between 20 and 60000")
        }
        if let timeLimit, timeLimit < 1 {
            throw ValidationError("--time-limit must be above 0")
        }
        if all, !only.isEmpty { throw ValidationError("--all and --only exclude each other") }
        try validate(only, "workload", among: Workload.all.map(\.name))
        try validate(contender, "contender", among: Contender.all.map(\.name))
    }

    private func validate(_ names: [String], _ what: String, among known: [String]) throws {
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw ValidationError(
                "no \(what) '\(unknown)'; there are \(known.joined(separator: ", "))")
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
            if instructions {
                print(try schedule().countInstructions(progress: Progress()))
                return
            }
            report = try measure()
        } catch is Interruption.Received {
            throw ExitCode(130)
        }
        print(report.text, terminator: "")
        let folder =
            output.map { URL(fileURLWithPath: $0) }
            ?? Folders.ofPackage().appendingPathComponent("results")
        let files = try ReportFiles(folder: folder, placement: try Placement.choose()).write(report)
        print("\nreports: \(files.paths.joined(separator: ", "))")
        if let lack = files.lack { print("no HTML report: \(lack)") }
        if !report.subjectPassed { throw ExitCode.failure }
    }

    private func measure() throws -> Report {
        let schedule = try schedule()
        let machine = Machine.current(placement: schedule.placement, limits: schedule.limits)
        let started = ContinuousClock.now
        let (entries, peaks) = try schedule.run(progress: Progress())
        return Report(
            entries: entries, peaks: peaks, workloads: schedule.workloads, machine: machine, slices: slices,
            sliceMilliseconds: sliceMs, wall: .now - started)
    }

    private func schedule() throws -> Schedule {
        let iocp =
            iocp
            ?? Folders.ofPackage().appendingPathComponent("../.build/release/iocp").standardized.path
        guard FileManager.default.isExecutableFile(atPath: iocp) else {
            throw Failure("no iocp command at \(iocp): build it with 'swift build -c release'")
        }
        let isShort = !all && only.isEmpty
        return Schedule(
            workloads: isShort ? Workload.short : Workload.all.filter { all || only.contains($0.name) },
            slices: slices, slice: .milliseconds(sliceMs),
            timeLimit: timeLimit.map { .seconds($0) } ?? (isShort ? .seconds(285) : .seconds(86_400)),
            placement: try Placement.choose(), limits: Limits.current(),
            programs: Contender.Programs(
                iocp: iocp, baselines: baselines ?? Folders.ofExecutable().path,
                peers: peers ?? Folders.ofPackage().appendingPathComponent(".build/peers").path),
            contenders: contender.isEmpty ? nil : contender)
    }

    private func printList() {
        var workloads = Table(headers: ["workload", "contenders"], leading: 2)
        for workload in Workload.all {
            workloads.append([
                "\(workload.name)\(workload.shortContenders != nil ? "*" : ""): \(workload.summary)",
                workload.contenders.joined(separator: ", "),
            ])
        }
        var contenders = Table(headers: ["contender", "what it is"], leading: 2)
        for contender in Contender.all {
            contenders.append([contender.name, contender.summary])
        }
        print(workloads.text + "\n* short selection, which runs without --all or --only\n\n" + contenders.text)
    }
}
