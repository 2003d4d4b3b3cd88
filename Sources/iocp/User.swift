import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A user of this machine whom a server may become after it has opened what takes privileges.
struct User: ExpressibleByArgument {
    private let name: String
    private let user: uid_t
    private let group: gid_t

    /// Nil for a name that is not known here.
    init?(argument: String) {
        guard let entry = unsafe getpwnam(argument) else { return nil }
        name = argument
        (user, group) = unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }

    /// Gives up root for good: setgid(2) and setuid(2) set all three ids. The C library carries it out on all threads (nptl(7)).
    /// - Throws: `CommandFailure` when the kernel refuses.
    func become() throws {
        guard setgroups(0, nil) == 0, setgid(group) == 0, setuid(user) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw CommandFailure("cannot become \(name): \(reason): run as root, or leave out --user")
        }
    }
}
