import CIOCPTLS
import IOCP

/// Settings in the form that the C target takes.
enum RawSettings {
    /// Calls `body` with the settings of a server.
    static func with<Value>(
        _ settings: TLSServerSettings, _ body: (borrowing iocp_tls_settings) throws(IOCPError) -> Value
    ) throws(IOCPError) -> Value {
        var raw = unsafe try agreement(settings.agreement)
        var trusted: [UInt8] = []
        switch settings.clientCertificates {
        case .none: break
        case .optional(let trust):
            unsafe raw.demand = IOCP_TLS_ASKS
            unsafe raw.trusts_system = trust.includesSystem
            trusted = trust.certificates
        case .required(let trust):
            unsafe raw.demand = IOCP_TLS_REQUIRES
            unsafe raw.trusts_system = trust.includesSystem
            trusted = trust.certificates
        }
        if let lifetime = settings.ticketLifetime {
            unsafe raw.gives_tickets = true
            unsafe raw.ticket_lifetime_s = UInt32(
                try bounded(lifetime.components.seconds, "ticketLifetime", 1...604_800, "s"))
        }
        if let most = settings.handshakesMax {
            unsafe raw.beginning_max = UInt32(try bounded(Int64(most), "handshakesMax", 1...10_000_000, ""))
        }
        return try unsafe complete(&raw, settings.agreement, settings.identities, trusted, body)
    }

    /// Calls `body` with the settings of a client.
    static func with<Value>(
        _ settings: TLSClientSettings, _ body: (borrowing iocp_tls_settings) throws(IOCPError) -> Value
    ) throws(IOCPError) -> Value {
        var raw = unsafe try agreement(settings.agreement)
        var trusted: [UInt8] = []
        switch settings.verification {
        case .none: unsafe raw.trusts_anybody = true
        case .trust(let trust):
            unsafe raw.trusts_system = trust.includesSystem
            trusted = trust.certificates
        }
        return try unsafe complete(&raw, settings.agreement, settings.identity.map { [$0] } ?? [], trusted, body)
    }

    private static func agreement(_ agreement: TLSProtocol) throws(IOCPError) -> iocp_tls_settings {
        var raw = unsafe iocp_tls_settings()
        unsafe raw.least = agreement.minimumVersion == .tls13 ? IOCP_TLS_1_3 : IOCP_TLS_1_2
        guard agreement.handshakeTimeout > .zero, agreement.handshakeTimeout <= .seconds(86_400) else {
            throw refused(
                "handshakeTimeout is \(agreement.handshakeTimeout), and may be more than zero and at most one day")
        }
        return unsafe raw
    }

    private static func bounded(
        _ value: Int64, _ name: String, _ bounds: ClosedRange<Int64>, _ unit: String
    ) throws(IOCPError) -> Int64 {
        guard bounds.contains(value) else {
            throw refused("\(name) is \(value), and may be \(bounds.lowerBound) to \(bounds.upperBound) \(unit)")
        }
        return value
    }

    /// ALPN's list: each name behind its length.
    private static func protocolList(_ names: [String]) throws(IOCPError) -> [UInt8] {
        var list: [UInt8] = []
        for name in names {
            guard (1...255).contains(name.utf8.count) else {
                throw refused("an application protocol is \"\(name)\", and may have 1 to 255 bytes")
            }
            list.append(UInt8(name.utf8.count))
            list.append(contentsOf: name.utf8)
        }
        guard list.count <= 65_535 else { throw refused("the application protocols have more than 65,535 bytes") }
        return list
    }

    /// Everything that is pointed to lives in one place for the call.
    private static func complete<Value>(
        _ raw: inout iocp_tls_settings, _ agreement: TLSProtocol, _ identities: [TLSIdentity], _ trusted: [UInt8],
        _ body: (borrowing iocp_tls_settings) throws(IOCPError) -> Value
    ) throws(IOCPError) -> Value {
        var texts = LentTexts()
        defer { texts.release() }
        let protocols = try protocolList(agreement.applicationProtocols)
        let rawIdentities = unsafe identities.map { identity in
            unsafe iocp_tls_identity(
                certificates: texts.bytes(identity.certificates), key: texts.bytes(identity.key),
                passphrase: texts.text(identity.passphrase),
                name: texts.text(identity.name))
        }
        if !trusted.isEmpty { unsafe raw.trusted = texts.bytes(trusted) }
        unsafe raw.ciphers = texts.text(agreement.ciphers)
        unsafe raw.suites = texts.text(agreement.suites)
        unsafe raw.groups = texts.text(agreement.groups)
        unsafe raw.key_log_path = texts.text(agreement.keyLogFile)
        let list = unsafe texts.bytes(protocols)
        unsafe raw.protocols = UnsafeRawPointer(list.start)?.assumingMemoryBound(to: UInt8.self)
        unsafe raw.protocols_bytes = UInt32(protocols.count)
        return try unsafe rawIdentities.withUnsafeBufferPointer { pointer throws(IOCPError) in
            unsafe raw.identities = pointer.baseAddress
            unsafe raw.identity_count = UInt32(pointer.count)
            return try unsafe body(raw)
        }
    }

    /// What is made of settings.
    static func context(
        of settings: borrowing iocp_tls_settings,
        by create: (
            UnsafePointer<iocp_tls_settings>?, UnsafeMutablePointer<OpaquePointer?>?,
            UnsafeMutablePointer<iocp_tls_failure>?
        ) -> Int32
    ) throws(IOCPError) -> OpaquePointer {
        var made: OpaquePointer?
        var failure = iocp_tls_failure()
        let result = unsafe withUnsafePointer(to: settings) { unsafe create($0, &made, &failure) }
        guard result >= 0, let made = unsafe made else { throw IOCPError(failure, result) }
        return unsafe made
    }

    /// Of a time that was found to be within its bounds.
    static func nanoseconds(_ time: Duration) -> UInt64 {
        UInt64(time.components.seconds) * 1_000_000_000 + UInt64(time.components.attoseconds / 1_000_000_000)
    }

    static func refused(_ detail: String) -> IOCPError {
        IOCPError(code: 22 /* EINVAL */, operation: .security, detail: detail)
    }
}
