#if Command
import ArgumentParser
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A user of this machine whom a server may become after it has opened what takes privileges.
struct User {
    private let name: String
    private let user: uid_t
    private let group: gid_t

    /// - Throws: `ValidationError` for a name that this machine does not know.
    init(named name: String) throws {
        guard let entry = unsafe getpwnam(name) else {
            throw ValidationError("this machine has no user \"\(name)\": name one of getent passwd")
        }
        self.name = name
        (user, group) = unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }

    /// Gives up root for good: setgid(2) and setuid(2) set all three ids. The C library carries it out on all threads (nptl(7)).
    ///
    /// The kernel then closes the process to its new user, since it may hold what only root may know: `iocp stats` could
    /// be run by root alone, and there would be no core dump. This one opened sockets and memory as root and read nothing,
    /// so it is opened again, as nginx does: that user may read its counters, and may trace it where the sysctl
    /// kernel.yama.ptrace_scope allows that at all.
    /// - Throws: `CommandFailure` when the kernel refuses.
    func become() throws {
        guard setgroups(0, nil) == 0, setgid(group) == 0, setuid(user) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw CommandFailure("cannot become \(name): \(reason): run as root, or leave out --user")
        }
        // Where it is refused, root reads the counters.
        try? PortStats.allowReadingByOwnUser()
    }
}
#endif
