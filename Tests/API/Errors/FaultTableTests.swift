import Glibc
import Testing

/// The tables of `Errors` are whole: no function of the worker or of a driver treats an errno in a way of its own that
/// no test makes it end with.
@Suite struct FaultTableTests {
    /// The functions that look at an errno, and what ends with each they name.
    static let tables: [String: [Errno]] = [
        "handle_receive": Errors.receiveAgain + Errors.noBuffer,
        "may_send_again": Errors.sendAgain,
        "handle_send": Errors.noMemory,
        "handle_watch": [Errno(ECANCELED)], // every connection that is resumed ends its watch with it
        "watched_result": [Errno(ECANCELED)],
        "iocp_send_shared_within": [Errno(ENOBUFS)], // the worker's own answer, when its queue nodes are short
        "look_at": Errors.askAgain,
        "iocp_worker_accepted": Errors.acceptAgain,
        "iocp_worker_fail": Errors.reset,
        "enter": Errors.enterAgain + Errors.waitInterrupted + Errors.enterFatal + Errors.foreignThread,
        "untaken": [Errno(EBUSY)], // an entry that is refused while a command is submitted
        "admit": Errors.peerLater,
        "iocp_worker_asks_later": Errors.askAgain,
        "count_failure": Errors.acceptLater,
        "iocp_worker_wait": Errors.waitInterrupted,
        "iocp_uring_wait": Errors.waitInterrupted,
        "iocp_uring_ring_open": Errors.ring,
        "probe": [Errno(ENOMEM)], // "auto is epoll where the rings of all workers do not fit"
        "iocp_uring_rehearse": [Errno(ENOMEM)],
        "place_client": Errors.placeLater, // "several rings: clients that cannot be placed now wait, and are served in their order"
        "wait_for": Errors.waitInterrupted, // "several rings: an interrupted wait says so, and the next goes on"
        "iocp_uring_open": [Errno(ENOMEM)],
        "silent_sends_work": [Errno(EAGAIN)], // every start finds it, at a socket that is full
        "forbidden_is_refused": Errors.forbidden,
        "accept_ready": Errors.acceptAgain,
        "receive_once": Errors.receiveAgain,
        "iocp_epoll_wait": Errors.waitInterrupted,
        "iocp_epoll_listen_for": Errors.cancel,
        "iocp_epoll_connect": [Errno(EINPROGRESS)], // every connect of epoll's begins with it
        "iocp_epoll_send": Errors.sendAgain,
        "iocp_epoll_send_rest": Errors.sendAgain,
        "add_listeners": Errors.listen,
        "leave": Errors.packLater, // "a socket that cannot leave now leaves later"
        "take_socket": [Errno(EAGAIN)], // "a socket that cannot be placed now is placed later"
        "iocp_worker_arrive": [Errno(EAGAIN)],
        "iocp_timers_restart": [Errno(ESHUTDOWN)], // "a connection that comes behind STOPPING loses its timers, and closes"
    ]

    static let folders = ["worker", "driver/uring", "driver/epoll"]

    @Test func everyErrnoThatIsTreatedIsMadeToHappen() throws {
        var seen: Set<String> = []
        for folder in Self.folders {
            for file in try Self.files(in: "CSources/CIOCP/" + folder) {
                for (function, name) in Self.treated(in: try Self.lines(file)) {
                    seen.insert(function)
                    let table = Self.tables[function] ?? []
                    #expect(table.contains { $0.name == name }, "\(file): \(function) treats \(name), and no test brings it")
                }
            }
        }
        #expect(seen == Set(Self.tables.keys), "functions in the table that treat no errno any more")
    }

    @Test func whatIsReadIsUnderstood() {
        let lines = [
            "static int f(int a)", "{", "    case EAGAIN: /* EIO */", "    if (errno == EINTR || errno != -EPIPE)", "}",
            "int g(void)", "{", "    return -EINVAL;", "}",
        ]
        let found = Self.treated(in: lines[...].map { $0[...] }).map { "\($0.function) \($0.name)" }
        #expect(found == ["f EAGAIN", "f EINTR", "f EPIPE"])
    }

    /// Errnos that are compared with, and the functions that do.
    static func treated(in lines: [Substring]) -> [(function: String, name: String)] {
        var function = ""
        var found: [(String, String)] = []
        for line in lines {
            if line.first?.isLowercase == true, let name = line.firstMatch(of: /^[a-z].*?(\w+)\(/) { function = String(name.1) }
            guard line.contains("E") else { continue }
            for match in line.matches(of: /(?:case |[!=]= -?)(E[A-Z0-9]{2,})\b/) { found.append((function, String(match.1))) }
        }
        return found
    }

    // MARK: - The sources

    private static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
        .joined(separator: "/")

    private static func files(in folder: String) throws -> [String] {
        let directory = try #require(opendir(root + "/" + folder))
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".c") { names.append(folder + "/" + name) }
        }
        try #require(names.count >= 3, "\(folder)")
        return names.sorted()
    }

    private static func lines(_ path: String) throws -> [Substring] {
        let file = try #require(fopen(root + "/" + path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }
}
