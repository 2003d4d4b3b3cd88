import CIOCP

/// A request to an admin socket: a word, and settings behind it, as "connections order=busy limit=20 peer=10.0.0.0/8".
struct AdminRequest {
    let word: String
    private var settings: [Substring: Substring] = [:]

    /// Why a request cannot be answered.
    struct Refusal: Error {
        let words: String
    }

    init(_ line: String, known: [String: [Substring]]) throws(Refusal) {
        var parts = line.split(whereSeparator: { $0 == " " || $0 == "\r" })
        guard let word = parts.first.map(String.init), let names = known[word] else {
            let all = known.keys.sorted().joined(separator: ", ")
            throw Refusal(words: "there is no request '\((parts.first.map(String.init) ?? "").printable)': there are \(all)")
        }
        self.word = word
        parts.removeFirst()
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, names.contains(pair[0]) else {
                throw Refusal(words: "'\(String(part).printable)' is no setting of \(word): there are \(names.joined(separator: ", "))")
            }
            settings[pair[0]] = pair[1]
        }
    }

    func text(_ name: Substring) -> Substring? { settings[name] }

    func number<Number: FixedWidthInteger & Sendable>(
        _ name: Substring, _ bounds: ClosedRange<Number>, otherwise: Number
    ) throws(Refusal) -> Number {
        guard let text = settings[name] else { return otherwise }
        guard let number = Number(text), bounds.contains(number) else {
            throw Refusal(words: "\(name) takes \(bounds.lowerBound) to \(bounds.upperBound), not '\(String(text).printable)'")
        }
        return number
    }

    /// What "id" and "peer" mean.
    func filter() throws(Refusal) -> iocp_connection_filter {
        var filter = iocp_connection_filter()
        if let id = settings["id"] {
            guard let token = iocp_token(id, radix: 16), token != 0 else {
                throw Refusal(words: "'\(String(id).printable)' names no connection: 16 hexadecimal digits do")
            }
            filter.connection = token
        }
        guard let peer = settings["peer"] else { return filter }
        guard let range = PeerRange(String(peer)) else {
            throw Refusal(words: "'\(String(peer).printable)' is no address: 192.0.2.1, 192.0.2.0/24, [2001:db8::1]:80 are")
        }
        filter.by_peer = true
        filter.prefix_bits = range.prefixBits
        filter.peer = range.address.raw
        return filter
    }
}

/// Addresses of peers: "192.0.2.1", "192.0.2.0/24", "192.0.2.1:4666", "2001:db8::/32", "[2001:db8::1]:80".
package struct PeerRange: Sendable {
    /// Port 0: any.
    package let address: SocketAddress
    package let prefixBits: UInt8

    package init?(_ text: String) {
        var host = text[...], port = UInt16(0), bits: UInt8?
        if let slash = host.lastIndex(of: "/") {
            guard let number = UInt8(host[host.index(after: slash)...]) else { return nil }
            (host, bits) = (host[..<slash], number)
        } else if let colon = host.lastIndex(of: ":"), host.first == "[" || host[..<colon].firstIndex(of: ":") == nil {
            let closed = host.first == "[" && host.last == "]"
            if !closed {
                guard let number = UInt16(host[host.index(after: colon)...]), number > 0 else { return nil }
                (host, port) = (host[..<colon], number)
            }
        }
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        // A name would be asked of a resolver.
        guard host.contains(":") || (host.contains(".") && host.utf8.allSatisfy { $0 == 0x2e || (0x30...0x39).contains($0) }),
            let address = try? SocketAddress(host: String(host), port: Int(port))
        else { return nil }
        let most: UInt8 = address.isIPv6 ? 128 : 32
        guard bits ?? most <= most else { return nil }
        (self.address, prefixBits) = (address, bits ?? most)
    }
}
