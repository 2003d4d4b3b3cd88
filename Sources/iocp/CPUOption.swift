#if Command
import ArgumentParser
import IOCP

extension WorkerPlacement {
    /// For an option's value.
    static func option(_ text: String) throws -> WorkerPlacement {
        guard let placement = WorkerPlacement(text) else {
            throw ValidationError(
                "'\(text.printable)' names no CPUs: give automatic, every-cpu, cores, unbound, or a list as 0,2,8-11")
        }
        return placement
    }
}
#endif
