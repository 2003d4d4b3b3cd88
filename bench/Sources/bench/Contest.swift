/// One workload: every server of it is up at once, and the load turns from one to the next.
///
/// A round pairs iocp with each other server: a slice of one, and right after it a slice of the other. Who comes first
/// changes, and so does who begins the round, so neither is always the one that finds the caches cold.
struct Contest {
    /// Its entries, in the order of the report.
    private(set) var entries: [Schedule.Entry]
    private var sides: [Int: Side] = [:]
    private let slice: Duration
    private let rounds: Int
    private let deadline: ContinuousClock.Instant

    /// However long the slices are.
    private static let roundsMin = 5

    /// - Parameter slice: how long one is where the workload does not need longer ones, which are fewer.
    init(
        _ entries: [Schedule.Entry], of workload: Workload, slices: Int, slice: Duration,
        deadline: ContinuousClock.Instant
    ) {
        self.entries = entries
        self.slice = slice * workload.sliceScale
        rounds = workload.sliceScale == 1 ? slices : max(min(slices, Self.roundsMin), slices / workload.sliceScale)
        self.deadline = deadline
    }

    /// Starts the servers one after the other, each with its connections.
    mutating func begin(progress: Progress, start: (Schedule.Entry) throws -> Side) throws {
        for index in entries.indices where entries[index].isBuilt {
            let entry = entries[index]
            progress.step("starting  \(entry.workload.name)  \(entry.contender.name)")
            guard ContinuousClock.now < deadline else {
                entries[index].roundsSkipped = rounds
                progress.skipped("out of time")
                continue
            }
            do {
                let side = try start(entry)
                sides[index] = side
                entries[index].holding = side.holding
                progress.note("\(Figure.count(side.holding.connectionsAccepted)) connections")
            } catch let failure as Failure {
                entries[index].failure = failure
                progress.failed(failure)
            }
        }
    }

    /// Lets them take turns until the rounds are over, or the time is.
    mutating func run() throws {
        for round in 0..<rounds {
            guard ContinuousClock.now < deadline else {
                for index in sides.keys { entries[index].roundsSkipped = rounds - round }
                return
            }
            try playRound(round)
        }
    }

    private mutating func playRound(_ round: Int) throws {
        let subject = entries.indices.first { entries[$0].contender.name == Contender.subject }
        let others = entries.indices.filter { $0 != subject && sides[$0] != nil }
        guard !others.isEmpty else {
            if let subject { _ = try turn(of: subject) }
            return
        }
        for place in others.indices {
            let other = others[(place + round) % others.count]
            guard let subject, sides[subject] != nil else {
                _ = try turn(of: other)
                continue
            }
            // Not by the place: with an even number of servers each would always have the same neighbour.
            let subjectFirst = (other + round).isMultiple(of: 2)
            let first = try turn(of: subjectFirst ? subject : other)
            let second = try turn(of: subjectFirst ? other : subject)
            guard let first, let second else { continue }
            entries[other].pairs.append(
                subjectFirst
                    ? Slice.Pair(subject: first, other: second) : Slice.Pair(subject: second, other: first))
        }
    }

    /// `nil` once it has failed.
    private mutating func turn(of index: Int) throws -> Slice? {
        guard let side = sides[index] else { return nil }
        do {
            let slice = try side.slice(of: slice)
            entries[index].slices.append(slice)
            return slice
        } catch let failure as Failure {
            entries[index].failure = failure
            sides[index] = nil
            return nil
        }
    }

    /// Ends all of them.
    mutating func end() throws {
        for (index, side) in sides {
            entries[index].otherWorkBusy = side.otherWorkBusy
            do {
                let total = try side.end()
                if !entries[index].slices.isEmpty { entries[index].total = total }
            } catch let failure as Failure {
                entries[index].failure = failure
            }
        }
        sides = [:]
    }
}
