#if Command
import ArgumentParser
import IOCP

struct Capture: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write down what is said on connections, for Wireshark.",
        discussion: """
            Writes a pcapng file with the bytes as the application gets and sends them: behind TLS in the clear, where a \
            capture of packets shows nothing. Addresses are those of the connections; the packets around the bytes, from SYN to \
            FIN, are made up, so that Wireshark and tshark follow each stream. Times are those at which the server handed bytes \
            out or was given them.

            Asks the server's admin socket (iocp connections --help), from now on and until Ctrl-C, --seconds or --bytes. \
            Each worker keeps what was not written yet in a ring; where that is full, or --rate is passed, bytes are dropped \
            and counted, and Wireshark shows the gap. The server is not held up. A worker has one capture at a time: a later \
            one ends it.

            Examples:
              iocp capture --socket /run/echo.admin --output talk.pcapng --peer 192.0.2.7
              iocp capture --socket /run/echo.admin --id 0000004000000001 --seconds 10 --output talk.pcapng
              iocp capture --socket /run/echo.admin --connections 5 --output - | tshark -r - -z follow,tcp,ascii,0
            """)

    @OptionGroup var admin: AdminOptions

    @Option(help: "The file to write, for its owner alone (mode 0600); - is stdout.")
    var output: String

    @Flag(help: "Write over a file that is there.")
    var force = false

    @Option(parsing: .unconditional, help: "Capture as many connections of each worker, 1 to 1048576. (default: all)")
    var connections: Int?

    @Option(parsing: .unconditional, help: "End after as many seconds, 1 to 1000000. (default: with Ctrl-C)")
    var seconds: Int?

    @Option(parsing: .unconditional, help: "End after about as many bytes, from 1 on. (default: 1 GiB)")
    var bytes = 1 << 30

    @Option(
        parsing: .unconditional, help: "Drop what is more than as many bytes a second and worker. (default: drop nothing)")
    var rate: Int?

    @Option(
        parsing: .unconditional,
        help: "Keep as many bytes of what was received or sent at once, from 1 on. (default: all of it)")
    var snap: Int?

    func validate() throws {
        if let connections { try Bounds.check(connections, "--connections", 1...1_048_576) }
        if let seconds { try Bounds.check(seconds, "--seconds", 1...1_000_000) }
        try Bounds.check(bytes, "--bytes", 1...(1 << 50))
        if let rate { try Bounds.check(rate, "--rate", 1...(1 << 40)) }
        if let snap { try Bounds.check(snap, "--snap", 1...(1 << 30)) }
        if output.isEmpty { throw ValidationError("--output takes the name of a file, or - for stdout") }
    }

    func run() throws {
        let settings: [(String, Int?)] = [
            ("connections", connections), ("seconds", seconds), ("bytes", bytes), ("rate", rate), ("snap", snap),
        ]
        let words = ["capture"] + admin.settings + settings.compactMap { name, value in value.map { "\(name)=\($0)" } }
        let signals = TerminationSignals()
        let file = try CaptureFile(output, overwrites: force)
        let call = try admin.ask(words)
        signals.onFirst { _ in call.finish() }
        var reader = CaptureReader()
        var packets = try PacketWriter(file)
        while case let goesOn = try call.read(onto: &reader.pending), goesOn {
            while let record = try reader.next() { try packets.write(record) }
            try file.flush()
        }
        guard let totals = reader.totals else {
            throw CommandFailure("the server's answer was cut off: it has ended, or stops; what came until then is written")
        }
        try packets.end(totals)
        try file.flush()
        Console.note(
            "\(Figure.count(totals.records)) records of \(Figure.counted(Int(totals.connections), "connection")), "
                + "\(Figure.count(totals.dropped_records)) dropped"
                + (totals.dropped_bytes > 0 ? " with \(Figure.bytes(totals.dropped_bytes))" : ""))
    }
}
#endif
