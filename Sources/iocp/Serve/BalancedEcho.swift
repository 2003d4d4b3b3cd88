#if Command
import IOCP

/// Echoes, and lets its connections move between workers. Each receive may take some time of the CPU, as the work of a real service does.
struct BalancedEcho: ConnectionHandler, Handles.Migrated {
    let spentMicroseconds: Int

    mutating func migrating(_ connection: IocpContext<Void>, to worker: Int) {}
    mutating func migrated(_ connection: IocpContext<Void>, from worker: Int) {}

    mutating func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        if spentMicroseconds > 0 {
            let until = MonotonicClock.nanoseconds() + UInt64(spentMicroseconds) * 1_000
            while MonotonicClock.nanoseconds() < until {}
        }
        try connection.send(bytes)
    }
}
#endif
