#if !Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What is built in the place of iocp-soak when the package's trait `Command` is off.
@main
enum WithoutCommand {
    static func main() {
        let text = "iocp-soak: built without the package's trait Command, which is on by default\n"
        _ = unsafe write(STDERR_FILENO, text, text.utf8.count)
        exit(EX_UNAVAILABLE)
    }
}
#endif
