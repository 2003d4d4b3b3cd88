#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The terminal while `iocp top` has it: keys come one by one without an echo, and the other screen is shown.
///
/// What it found is restored by ``leave()``, when the value goes, and by a handler of the signals of a crash.
@safe
final class TopTerminal {
    private var isEntered = false

    /// The alternate screen (xterm's 1049), no cursor, and no line that goes on in the next row.
    private static let entering = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l"
    /// Cleared first: a terminal that was resized meanwhile, tmux for one, may hand rows of this screen over to the other one.
    private static let leaving: StaticString = "\u{1b}[0m\u{1b}[2J\u{1b}[H\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

    /// What the terminal's settings were. Written before any handler can run, so a handler may read it. Not a variable of the
    /// struct's own type: Swift 6.3 gives a static one the size of the members without their padding, 57 of 60 bytes.
    nonisolated(unsafe) private static let found = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    nonisolated(unsafe) private static var hasKeys = false

    /// Whether stdout is a terminal that knows more than lines.
    static var isThere: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        let kind = unsafe getenv("TERM").map { unsafe String(cString: $0) } ?? ""
        return kind != "" && kind != "dumb"
    }

    /// Whether keys are read: not where stdin is no terminal.
    var readsKeys: Bool { unsafe TopTerminal.hasKeys }

    init() {
        unsafe TopTerminal.found.initialize(to: termios())
        unsafe TopTerminal.hasKeys = unsafe tcgetattr(STDIN_FILENO, TopTerminal.found) == 0
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] { _ = signal(number, TopTerminal.crashed) }
    }

    deinit { leave() }

    func enter() {
        guard !isEntered else { return }
        isEntered = true
        if unsafe TopTerminal.hasKeys {
            var settings = unsafe TopTerminal.found.pointee
            // ISIG stays: Ctrl-C and Ctrl-Z are signals, as everywhere.
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
            settings.c_iflag &= ~tcflag_t(IXON | ICRNL)
            unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
        }
        _ = write(TopTerminal.entering)
    }

    func leave() {
        guard isEntered else { return }
        isEntered = false
        TopTerminal.restore()
    }

    /// - Returns: false where the terminal takes nothing any more.
    func write(_ text: String) -> Bool { Console.show(raw: text) }

    /// Only what a signal handler may call (signal-safety(7)).
    private static func restore() {
        #if canImport(Glibc)
        _ = unsafe Glibc.write(STDOUT_FILENO, leaving.utf8Start, leaving.utf8CodeUnitCount)
        #else
        _ = unsafe Musl.write(STDOUT_FILENO, leaving.utf8Start, leaving.utf8CodeUnitCount)
        #endif
        if unsafe hasKeys { unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, found) }
    }

    /// A crash of this program must not leave a terminal that shows nothing of what is typed.
    private static let crashed: @convention(c) (Int32) -> Void = { number in
        TopTerminal.restore()
        _ = signal(number, SIG_DFL)
        raise(number)
    }
}
#endif
