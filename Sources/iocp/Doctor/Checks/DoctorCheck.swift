#if Command
/// How much what was found matters. In the order of severity.
enum Verdict: String, Encodable, CaseIterable, Comparable {
    /// Nothing to change.
    case ok
    /// Worth knowing; a server does what it should.
    case note
    /// A server runs, and is slower or holds less than it could.
    case warning
    /// A server does not run, or cannot do what was asked for.
    case bad

    static func < (a: Verdict, b: Verdict) -> Bool { a.severity < b.severity }

    private var severity: Int { Verdict.allCases.firstIndex(of: self)! }
}

/// What checks are gathered under.
enum CheckGroup: String, Encodable, CaseIterable {
    case kernel, limits, network, processors, memory, confinement, cards, capacity
}

/// One thing that was looked at, and judged.
struct DoctorCheck {
    let group: CheckGroup
    /// Unique within the group, and the same from run to run.
    let name: String
    let judgement: Judgement
    /// False where it could not be looked at; `found` then says why.
    let isKnown: Bool
}

/// What was found, and what follows from it.
struct Judgement {
    let verdict: Verdict
    let found: String
    /// What it costs the user, in a sentence; empty where it costs nothing.
    let cost: String
    /// The commands that mend it, as root where they need it; empty where there are none.
    let remedy: [String]

    private init(_ verdict: Verdict, _ found: String, _ cost: String, _ remedy: [String]) {
        (self.verdict, self.found, self.cost, self.remedy) = (verdict, found, cost, remedy)
    }

    static func ok(_ found: String) -> Judgement { Judgement(.ok, found, "", []) }

    static func note(_ found: String, _ cost: String, mend remedy: String...) -> Judgement {
        Judgement(.note, found, cost, remedy)
    }

    static func note(_ found: String, _ cost: String, mend remedy: [String]) -> Judgement {
        Judgement(.note, found, cost, remedy)
    }

    static func warning(_ found: String, _ cost: String, mend remedy: String...) -> Judgement {
        Judgement(.warning, found, cost, remedy)
    }

    static func warning(_ found: String, _ cost: String, mend remedy: [String]) -> Judgement {
        Judgement(.warning, found, cost, remedy)
    }

    static func bad(_ found: String, _ cost: String, mend remedy: String...) -> Judgement {
        Judgement(.bad, found, cost, remedy)
    }

    static func bad(_ found: String, _ cost: String, mend remedy: [String]) -> Judgement {
        Judgement(.bad, found, cost, remedy)
    }

    static func unknown(_ reason: String) -> Judgement {
        Judgement(.note, "unknown: " + reason, "This was not judged.", [])
    }
}

extension CheckGroup {
    func check(_ name: String, _ judgement: Judgement) -> DoctorCheck {
        DoctorCheck(group: self, name: name, judgement: judgement, isKnown: true)
    }

    /// Judges what was read; where nothing was, says so.
    func check<Value>(_ name: String, _ reading: Reading<Value>, _ judge: (Value) -> Judgement) -> DoctorCheck {
        switch reading {
        case .found(let value): check(name, judge(value))
        case .unknown(let reason):
            DoctorCheck(group: self, name: name, judgement: .unknown(reason), isKnown: false)
        }
    }
}
#endif
