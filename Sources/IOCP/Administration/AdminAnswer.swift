import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Answers one request to an admin socket, on a thread of its own.
///
/// An answer begins with a line "ok 1 …", whose number is the version of what follows, or is a line "error: …". What is listed
/// ends with a line "end", so that an answer that was cut off is seen.
struct AdminAnswer {
    private let channel: AdminChannel
    private let desk: AdminDesk

    private static let known: [String: [Substring]] = [
        "connections": ["order", "limit", "peer", "id", "interval", "kill"],
        "capture": ["peer", "id", "connections", "snap", "rate", "ring", "bytes", "seconds"],
    ]

    init(_ channel: AdminChannel, _ desk: AdminDesk) {
        (self.channel, self.desk) = (channel, desk)
    }

    func answer(_ line: String) {
        do throws(AdminRequest.Refusal) {
            let request = try AdminRequest(line, known: Self.known)
            switch request.word {
            case "connections": try AdminSurvey(request).answer(channel, desk)
            default: try AdminCapture(request).answer(channel, desk)
            }
        } catch {
            _ = channel.say("error: \(error.words)\n")
        }
    }
}

extension AdminRequest.Refusal {
    static let gone = AdminRequest.Refusal(words: "the port is gone")
}
