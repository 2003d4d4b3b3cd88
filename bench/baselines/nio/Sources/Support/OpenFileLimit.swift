import Glibc

/// RLIMIT_NOFILE: each connection takes a descriptor.
public enum OpenFileLimit {
    /// Raises the soft limit to the hard one, which needs no privilege.
    public static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(resource, &limit)
    }
}
