#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The queueing disciplines of the interfaces, asked of the kernel by rtnetlink(7): no file tells them.
enum QueueingDisciplines {
    /// Numbers of <linux/rtnetlink.h>, whose structures Swift does not see.
    private enum Wire {
        static let newDiscipline: UInt16 = 36
        static let getDiscipline: UInt16 = 38
        static let failure: UInt16 = 2
        static let done: UInt16 = 3
        /// NLM_F_REQUEST | NLM_F_DUMP
        static let dump: UInt16 = 0x301
        static let kind: UInt16 = 1
        static let headerBytes = 16
        /// struct tcmsg
        static let bodyBytes = 20
        static let attributeBytes = 4
    }

    /// An answer comes in messages of some 8 KiB each; so many are read at most.
    private static let mostReads = 256

    static func read() -> Reading<[String: Set<String>]> {
        #if canImport(Glibc)
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        #else
        let kind = SOCK_RAW | SOCK_CLOEXEC
        #endif
        let descriptor = socket(AF_NETLINK, kind, 0)
        guard descriptor >= 0 else { return refused(errno) }
        defer { close(descriptor) }
        // The kernel answers at once; the limit is for a sandbox that does not.
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))

        var request = [UInt8](repeating: 0, count: Wire.headerBytes + Wire.bodyBytes)
        put(UInt32(request.count), into: &request, at: 0)
        put(Wire.getDiscipline, into: &request, at: 4)
        put(Wire.dump, into: &request, at: 6)
        let count = request.count
        guard unsafe send(descriptor, &request, count, 0) == count else { return refused(errno) }

        var found: [String: Set<String>] = [:]
        var answer = [UInt8](repeating: 0, count: 64 << 10)
        for _ in 0..<mostReads {
            let capacity = answer.count
            let count = unsafe recv(descriptor, &answer, capacity, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return refused(count < 0 ? errno : EIO) }
            switch take(answer[..<count], into: &found) {
            case .more: continue
            case .whole: return .found(found)
            case .failed: return .unknown("the kernel does not tell the queueing disciplines")
            }
        }
        return .unknown("the kernel's answer about queueing disciplines has no end")
    }

    private enum Progress { case more, whole, failed }

    private static func take(_ datagram: ArraySlice<UInt8>, into found: inout [String: Set<String>]) -> Progress {
        var rest = datagram
        while rest.count >= Wire.headerBytes {
            let length = Int(get32(rest, 0))
            guard length >= Wire.headerBytes, length <= rest.count else { return .failed }
            switch get16(rest, 4) {
            case Wire.done: return .whole
            case Wire.failure: return .failed
            case Wire.newDiscipline: note(rest.prefix(length).dropFirst(Wire.headerBytes), in: &found)
            default: break
            }
            rest = rest.dropFirst(aligned(length))
        }
        return .more
    }

    private static func note(_ message: ArraySlice<UInt8>, in found: inout [String: Set<String>]) {
        guard message.count >= Wire.bodyBytes else { return }
        let index = get32(message, 4)
        var rest = message.dropFirst(Wire.bodyBytes)
        while rest.count >= Wire.attributeBytes {
            let length = Int(get16(rest, 0))
            guard length >= Wire.attributeBytes, length <= rest.count else { return }
            if get16(rest, 2) == Wire.kind {
                let name = rest.prefix(length).dropFirst(Wire.attributeBytes).prefix { $0 != 0 }
                found[interfaceName(index), default: []].insert(
                    SystemFiles.shown(String(decoding: name, as: UTF8.self)))
            }
            rest = rest.dropFirst(aligned(length))
        }
    }

    private static func interfaceName(_ index: UInt32) -> String {
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard unsafe if_indextoname(index, &name) != nil else { return "\(index)" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func refused(_ code: Int32) -> Reading<[String: Set<String>]> {
        .unknown("rtnetlink(7) refused: \(unsafe String(cString: strerror(code)))")
    }

    /// Messages and attributes begin at multiples of four.
    private static func aligned(_ length: Int) -> Int { (length + 3) & ~3 }

    private static func put(_ value: some FixedWidthInteger, into bytes: inout [UInt8], at offset: Int) {
        unsafe withUnsafeBytes(of: value) { raw in
            for index in raw.indices { bytes[offset + index] = unsafe raw[index] }
        }
    }

    private static func get16(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt16 {
        let start = bytes.startIndex + offset
        let pair = [bytes[start], bytes[start + 1]]
        return unsafe pair.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt16.self) }
    }

    private static func get32(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt32 {
        let start = bytes.startIndex + offset
        let four = Array(bytes[start..<start + 4])
        return unsafe four.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
    }
}
#endif
