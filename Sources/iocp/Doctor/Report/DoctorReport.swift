#if Command
/// All checks of one run, and what they come to.
struct DoctorReport {
    let connections: Int?
    let checks: [DoctorCheck]

    var worst: Verdict { checks.map(\.judgement.verdict).max() ?? .ok }

    func count(_ verdict: Verdict) -> Int { checks.count { $0.judgement.verdict == verdict } }

    /// What is to be done first: the first check of the worst verdict, if that is more than a note.
    var first: DoctorCheck? {
        worst > .note ? checks.first { $0.judgement.verdict == worst } : nil
    }

    var exitStatus: Int32 {
        switch worst {
        case .ok, .note: 0
        case .warning: 1
        case .bad: 2
        }
    }
}
#endif
