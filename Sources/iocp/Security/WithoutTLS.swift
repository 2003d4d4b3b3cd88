#if Command
#if !TLS
/// What is said where the command was built without TLS.
enum WithoutTLS {
    static let words = "this iocp was built without TLS: build it with the package trait TLS"
}
#endif
#endif
