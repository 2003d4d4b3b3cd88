#if Command
/// Limits a client meets before it is let in: slots, and descriptors.
extension Limits {
    /// A third more clients than slots; then as many leave as wait.
    func reachTableFull(_ verdict: inout Verdict) throws {
        let slots = clients * 3 / 4
        let server = try ServerProcess(options.driver, ["slots": slots])
        let idle = try server.openDescriptors()
        do {
            let crowd = try Crowd(port: server.port, count: clients)
            try crowd.send()
            let first = try crowd.awaitAnswers(within: .seconds(10)) { crowd.answered == slots }
            verdict.require(first != nil, "\(crowd.answered) of \(slots) were served")
            requireRest(&verdict, of: server)
            verdict.require(try crowd.awaitAnswers(within: .zero) == nil && crowd.answered == slots, "more than slots")
            try crowd.leave(clients - slots)
            requireRelief(&verdict, try crowd.awaitAnswers(within: Limits.relief), "\(clients - slots) waiting")
            requireRelief(&verdict, try crowd.ask(within: Limits.relief), "all")
            verdict.require(crowd.lost == 0, "\(crowd.lost) clients were lost")
        }
        verdict.add("\(clients) clients for \(slots) slots")
        verdict.add("\(server.counters.delayedAccepts) times full")
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }

    /// RLIMIT_NOFILE falls below what the clients take. On epoll accepting fails with EMFILE; a ring's table is its
    /// own, so there nobody must notice.
    func reachDescriptors(_ verdict: inout Verdict) throws {
        let server = try ServerProcess(options.driver)
        let idle = try server.openDescriptors()
        let limit = idle + clients / 2
        // What it inherited may lie above the limit and does not count.
        let allowed = limit - (try server.openDescriptors(below: limit))
        do {
            try server.limitDescriptors(to: limit)
            let crowd = try Crowd(port: server.port, count: clients)
            try crowd.send()
            let expected = options.driver == .epoll ? allowed : clients
            let first = try crowd.awaitAnswers(within: .seconds(10)) { crowd.answered == expected }
            verdict.require(first != nil, "\(crowd.answered) of \(expected) were served")
            requireRest(&verdict, of: server)
            verdict.add("\(clients) clients, descriptors for \(allowed): \(crowd.answered) served meanwhile")
            let failures = server.counters.acceptFailures
            verdict.require((failures > 0) == (options.driver == .epoll), "\(failures) accepts failed")
            verdict.add("\(failures) accepts failed")
            if options.driver == .epoll {
                // Room by clients that leave first, by a higher limit next.
                let leaving = (clients - allowed) / 2
                let answered = crowd.answered
                try crowd.leave(leaving)
                requireRelief(
                    &verdict,
                    try crowd.awaitAnswers(within: Limits.relief) { crowd.answered == answered + leaving },
                    "\(leaving) for whom others left")
                try server.limitDescriptors(to: .max)
                requireRelief(&verdict, try crowd.awaitAnswers(within: Limits.relief), "all at a higher limit")
            }
            requireRelief(&verdict, try crowd.ask(within: Limits.relief), "all")
            verdict.require(crowd.lost == 0, "\(crowd.lost) clients were lost")
        }
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }
}
#endif
