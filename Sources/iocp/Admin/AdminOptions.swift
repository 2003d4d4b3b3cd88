#if Command
import ArgumentParser
import IOCP

/// Where the admin socket is, and which connections are meant.
struct AdminOptions: ParsableArguments {
    @Option(help: "The server's admin socket: a path, or @NAME for an abstract name.", transform: UnixAddress.option)
    var socket: UnixAddress

    @Option(
        help: """
            Only connections of these peers: 192.0.2.1, 192.0.2.0/24, 192.0.2.1:4000, 2001:db8::/32, [2001:db8::1]:4000.
            """)
    var peer: String?

    @Option(help: "Only this connection, by its id in the list.")
    var id: String?

    func validate() throws {
        if let peer, PeerRange(peer) == nil {
            throw ValidationError("'\(peer.printable)' is no address of peers, such as 192.0.2.1 or 192.0.2.0/24")
        }
        guard let id else { return }
        guard id.utf8.count <= 16, let number = UInt64(id, radix: 16), number != 0 else {
            throw ValidationError("'\(id.printable)' is no id of a connection: 16 hexadecimal digits are")
        }
    }

    /// The words of a request.
    var settings: [String] {
        (peer.map { ["peer=\($0)"] } ?? []) + (id.map { ["id=\($0)"] } ?? [])
    }

    /// Asks. The call's answer is to be read.
    func ask(_ words: [String]) throws -> AdminCall {
        do throws(IOCPError) {
            return try AdminCall(socket, request: words.joined(separator: " "))
        } catch {
            switch error.code {
            case 2 /* ENOENT */, 111 /* ECONNREFUSED */:
                throw CommandFailure(
                    "nobody listens on the admin socket \(socket): start the server with --admin \(socket), or serveAdmin(at:)")
            case 13 /* EACCES */:
                throw CommandFailure("the admin socket \(socket) is closed to you: run as the server's user or root")
            default: throw CommandFailure("the admin socket \(socket) cannot be asked: \(error)")
            }
        }
    }
}

/// The first line of an answer: "ok 1 name=value …", or why there is none.
struct AdminHead {
    let values: [String: String]

    init(_ line: String) throws {
        if line.hasPrefix("error: ") { throw CommandFailure("the server refuses: \(String(line.dropFirst(7)).printable)") }
        let words = line.split(separator: " ")
        guard words.first == "ok", words.count > 1 else {
            throw CommandFailure("this is no admin socket: it says '\(String(line.prefix(60)).printable)'")
        }
        guard words[1] == "1" else {
            throw CommandFailure("the server's answer has version \(String(words[1]).printable): use the iocp command of its build")
        }
        values = AdminHead.values(words.dropFirst(2))
    }

    static func values(_ words: some Sequence<Substring>) -> [String: String] {
        words.reduce(into: [:]) { values, word in
            let pair = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { values[String(pair[0])] = String(pair[1]) }
        }
    }
}
#endif
