#if Service
import IOCP

extension Setting {
    /// Where to listen, and the properties of ``ListenOptions``.
    static let listen: [Setting] = [
        Setting(
            key: "listen.addresses", form: .address,
            summary: "Where clients come from; several are separated by commas. Sockets of systemd take their place.",
            absence: "none",
            take: { (settings, texts) throws(NoSuchValue) in
                var addresses: [ListenAddress] = []
                for text in texts where texts != ["none"] { addresses.append(try ListenAddress(setting: text)) }
                settings.addresses = addresses
            }, text: { $0.addresses.isEmpty ? "none" : $0.addresses.map(\.asSetting).joined(separator: ",") }),
        .number(
            "listen.backlog", \.listening.backlog, none: "default",
            "Clients that wait to be accepted, per worker; default: 4096. The kernel has net.core.somaxconn besides."),
        .flag("listen.ipv6Only", \.listening.ipv6Only, "Whether [::] leaves IPv4 clients to others."),
        .flag("listen.noDelay", \.listening.noDelay, "TCP_NODELAY."),
        .time(
            "listen.keepAlive.idle", \.keepAliveIdle, none: "never",
            "The silence after which a peer is asked whether it is still there."),
        .time("listen.keepAlive.interval", \.keepAliveInterval, "The time between two questions.")
            .needing("listen.keepAlive.idle"),
        .number("listen.keepAlive.count", \.keepAliveCount, "How many unanswered questions end a connection.")
            .needing("listen.keepAlive.idle"),
        .size("listen.sendBufferBytes", \.listening.sendBufferBytes, none: "default", "SO_SNDBUF."),
        .size("listen.receiveBufferBytes", \.listening.receiveBufferBytes, none: "default", "SO_RCVBUF."),
        .text("listen.congestionControl", \.listening.congestionControl, none: "default", "TCP_CONGESTION."),
        .number(
            "listen.fastOpenQueue", \.listening.fastOpenQueue, none: "none",
            "TCP_FASTOPEN: clients that may wait with data in their SYN."),
        .time(
            "listen.deferAccept", \.listening.deferAccept, none: "never",
            "TCP_DEFER_ACCEPT: a client is accepted with its first bytes, or after this time."),
        .text("listen.device", \.listening.device, none: "any", "SO_BINDTODEVICE: the one network interface."),
        Setting(
            key: "listen.permissions", form: .permissions, summary: "Of the path of a Unix socket.", absence: "umask",
            take: { (settings, texts) throws(NoSuchValue) in
                let text = try single(texts)
                guard text == "umask" || UInt16(text, radix: 8) != nil else { throw NoSuchValue() }
                settings.listening.permissions = UInt16(text, radix: 8)
            }, text: { $0.listening.permissions.map { String($0, radix: 8) } ?? "umask" }),
    ]
}

/// Keep-alive's three settings are one value, which exists where the first is set.
extension ServiceSettings {
    fileprivate var keepAliveIdle: Duration? {
        get { listening.keepAlive?.idle }
        set { listening.keepAlive = newValue.map { ListenOptions.KeepAlive(idle: $0) } }
    }

    fileprivate var keepAliveInterval: Duration {
        get { keepAlive.interval }
        set { listening.keepAlive?.interval = newValue }
    }

    fileprivate var keepAliveCount: Int {
        get { keepAlive.count }
        set { listening.keepAlive?.count = newValue }
    }

    private var keepAlive: ListenOptions.KeepAlive { listening.keepAlive ?? ListenOptions.KeepAlive(idle: .seconds(1)) }
}
#endif
