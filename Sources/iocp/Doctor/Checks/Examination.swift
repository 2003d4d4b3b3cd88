#if Command
/// Every check, in the order in which they are told.
enum Examination {
    static func checks(_ facts: MachineFacts, connections: Int?) -> [DoctorCheck] {
        let container = facts.confinement.container
        var checks = KernelChecks.all(facts.kernel)
        checks += RingChecks.all(facts.kernel, facts.process)
        checks += WaitingChecks.all(facts.kernel, facts.process)
        checks += LimitChecks.all(facts)
        checks += NetworkChecks.all(facts.network, facts.memory)
        checks += ProcessorChecks.all(facts.processors, container: container)
        checks += MemoryChecks.all(facts)
        checks += ConfinementChecks.all(facts.confinement)
        checks += CardChecks.all(facts.cards, facts.processors)
        if let connections { checks += CapacityChecks(connections, facts).all }
        return checks
    }
}
#endif
