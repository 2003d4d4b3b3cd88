import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One client of an admin socket until its request is complete: a line. Then a thread of its own answers.
struct AdminClient: SideClient {
    private let descriptor: Int32
    private let desk: AdminDesk
    private var request: [UInt8] = []
    /// When the client is cut, on the monotonic clock.
    private let deadline: UInt64
    private var isHandedOver = false

    private static let patienceNanoseconds: UInt64 = 5_000_000_000
    private static let requestBytesMax = 4_096

    init(_ descriptor: Int32, acceptedAt now: UInt64, _ desk: AdminDesk) {
        self.descriptor = descriptor
        self.desk = desk
        deadline = now + Self.patienceNanoseconds
    }

    var interest: pollfd { pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0) }

    func end() {
        if !isHandedOver { close(descriptor) }
    }

    mutating func advance(isReady: Bool, at now: UInt64) -> Bool {
        if now >= deadline { return false }
        guard isReady else { return true }
        var buffer = [UInt8](repeating: 0, count: Self.requestBytesMax - request.count)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        if count <= 0 { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        request += buffer.prefix(count)
        if let end = request.firstIndex(of: UInt8(ascii: "\n")) {
            handOver(String(decoding: request[..<end], as: UTF8.self))
            return false
        }
        if request.count < Self.requestBytesMax { return true }
        refuse("a request is a line of at most \(Self.requestBytesMax) bytes")
        return false
    }

    private mutating func handOver(_ line: String) {
        var user: UInt32 = 0
        guard unsafe iocp_side_peer_user(descriptor, &user) == 0, user == 0 || user == geteuid() else {
            return refuse("user \(user) may not: this socket is for the server's own user and root")
        }
        guard desk.begin() else { return refuse("there are as many answers under way as there may be; try again later") }
        let (descriptor, desk) = (self.descriptor, self.desk)
        let result = SideThread.start {
            AdminAnswer(AdminChannel(descriptor), desk).answer(line)
            desk.end()
        }
        guard result == 0 else {
            desk.end()
            return refuse("no thread can be started for the answer")
        }
        isHandedOver = true
    }

    /// The client reads its error; a full socket, which a line cannot fill, would lose it.
    private func refuse(_ words: String) {
        let line = Array("error: \(words)\n".utf8)
        _ = unsafe send(descriptor, line, line.count, Int32(MSG_NOSIGNAL))
    }
}
