import IOCP
import IOCPTLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The command line of an example: `--port` (0 takes a free one), `--driver uring|epoll|auto`, `--certificate` and `--key` (PEM
/// files, for TLS), and options of its own.
public struct Arguments: Sendable {
    private var values = ["port": "0", "driver": "auto", "certificate": "", "key": ""]

    /// A command line that it does not understand ends the program with status 64.
    /// - Parameter options: the example's own options and their values at first.
    public init(_ options: [String: String] = [:]) {
        values.merge(options) { _, own in own }
        let names = values.keys.sorted().map { "[--\($0) \($0.uppercased())]" }.joined(separator: " ")
        var rest = CommandLine.arguments.dropFirst()
        while let word = rest.popFirst() {
            let name = String(word.dropFirst(2))
            guard word.hasPrefix("--"), values[name] != nil, let value = rest.popFirst() else {
                fail("usage: \(CommandLine.arguments[0]) \(names)", status: 64)
            }
            values[name] = value
        }
    }

    /// - Parameter option: one of these, or of those that were given to `init`.
    public subscript(option: String) -> String { values[option] ?? "" }

    /// The value of an option that is a number within a range.
    public func number(_ option: String, in range: ClosedRange<Int>) -> Int {
        guard let number = Int(self[option]), range.contains(number) else {
            fail("--\(option) takes \(range.lowerBound) to \(range.upperBound)", status: 64)
        }
        return number
    }

    public var port: Int { number("port", in: 0...65_535) }

    /// For TLS, if there is a certificate; otherwise in the clear.
    public func listenOptions() throws(IOCPError) -> ListenOptions {
        if self["certificate"].isEmpty { return ListenOptions() }
        return ListenOptions(tls: try TLSServer(certificateFile: self["certificate"], keyFile: self["key"]))
    }

    /// The library's defaults, with the driver that was asked for.
    public var configuration: PortConfiguration {
        guard let driver = Driver.allCases.first(where: { $0.description == self["driver"] }) else {
            fail("--driver takes uring, epoll or auto", status: 64)
        }
        var configuration = PortConfiguration()
        configuration.driver = driver
        return configuration
    }
}

/// Prints the line that scripts wait for. A pipe would keep it until there is more, hence the flush.
public func announce(_ listener: Listener) {
    print("listening on \(listener)")
    fflush(nil)
}

/// Ends the program with a line on stderr.
public func fail(_ reason: some CustomStringConvertible, status: Int32 = 1) -> Never {
    let line = "\(reason)\n"
    _ = unsafe write(STDERR_FILENO, line, line.utf8.count)
    exit(status)
}
