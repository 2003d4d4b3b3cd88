#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The full screen, from its first frame to its last: waits for keys, signals and the time, and redraws what changed.
final class TopLoop {
    private let terminal = TopTerminal()
    private let signals: TopSignals
    private let painter: TopPainter
    private let interval: Double
    private let framesMax: Int?
    private var sampler: TopSampler
    private var view: TopView
    private var size = TerminalSize(columns: 80, rows: 24)
    /// What the terminal shows, row by row.
    private var shown: [String] = []
    private var keysEnded = false

    init(_ processID: Int32, interval: Double, frames: Int?) throws {
        signals = try TopSignals()
        painter = TopPainter { name in unsafe getenv(name).map { unsafe String(cString: $0) } }
        (self.interval, framesMax) = (interval, frames)
        sampler = try TopSampler(processID, interval: interval)
        view = TopView(interval: interval)
        countProcesses()
    }

    /// Returns when the user is done or the frames are shown.
    /// - Throws: a failure when the terminal takes nothing any more.
    func run() throws {
        terminal.enter()
        defer { terminal.leave() }
        resize()
        var frames = 0
        // The first one soon, so that something is there to look at.
        var frameDue = MonotonicClock.nanoseconds() + UInt64(min(interval, 0.25) * 1e9)
        var lookDue = MonotonicClock.nanoseconds()
        while true {
            try draw()
            let isNews = wait(until: sampler.looksBetweenFrames ? min(frameDue, lookDue) : frameDue)
            if isNews, handleSignals() || handleKeys() { return }
            let now = MonotonicClock.nanoseconds()
            if sampler.looksBetweenFrames, now >= lookDue {
                sampler.look()
                lookDue = now + TopSampler.lookNanoseconds
            }
            guard now >= frameDue else { continue }
            view.take(sampler.frame())
            frameDue = now + UInt64(interval * 1e9)
            frames += 1
            if let framesMax, frames >= framesMax { return try draw() }
        }
    }

    // MARK: Waiting

    /// - Returns: whether a key or a signal is there.
    private func wait(until due: UInt64) -> Bool {
        let now = MonotonicClock.nanoseconds()
        // Rounded up: one look too late is better than a wait of nothing, again and again.
        let milliseconds = due > now ? (due - now + 999_999) / 1_000_000 : 0
        var entries = [
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: terminal.readsKeys && !keysEnded ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
        ]
        return unsafe poll(&entries, nfds_t(entries.count), Int32(clamping: milliseconds)) > 0
    }

    /// - Returns: whether to end.
    private func handleSignals() -> Bool {
        for number in signals.received() {
            switch number {
            case SIGWINCH: resize()
            case SIGTSTP:
                terminal.leave()
                // All threads stop here, until the shell lets them go on.
                raise(SIGSTOP)
                terminal.enter()
                resize()
            case SIGINT: return true
            default:
                terminal.leave()
                TopSignals.die(by: number)
            }
        }
        return false
    }

    /// - Returns: whether to end.
    private func handleKeys() -> Bool {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard terminal.readsKeys, !keysEnded, unsafe poll(&entry, 1, 0) > 0 else { return false }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe read(STDIN_FILENO, &bytes, bytes.count)
        guard count > 0 else {
            // The terminal is gone, or somebody else took it; a signal tells the rest.
            keysEnded = count == 0 || (errno != EINTR && errno != EAGAIN)
            return false
        }
        for key in TopKey.keys(in: Array(bytes.prefix(count))) {
            switch key {
            case .quit: return true
            case .process(let forward): switchProcess(forward: forward)
            case .scroll, .help, .nextSort, .sort: view.obey(key, page: TopScreen.page(size))
            case .pause, .other:
                // There is nothing to go on with, so such a key means that the user has seen it.
                if view.isGone { return true }
                view.obey(key, page: TopScreen.page(size))
            }
        }
        return false
    }

    // MARK: Processes

    @discardableResult
    private func countProcesses() -> [Int32] {
        let all = PortStats.processIDs()
        view.processCount = all.count
        view.place = (all.firstIndex(of: sampler.processID) ?? 0) + 1
        return all
    }

    /// Goes to the next process that can be read; stays where there is no other.
    private func switchProcess(forward: Bool) {
        let own = sampler.processID
        let all = countProcesses()
        let others =
            forward
            ? all.filter { $0 > own } + all.filter { $0 < own }
            : all.filter { $0 < own }.reversed() + all.filter { $0 > own }.reversed()
        for processID in others {
            guard let next = try? TopSampler(processID, interval: interval) else { continue }
            sampler = next
            view.forget()
            countProcesses()
            view.take(sampler.frame())
            return
        }
    }

    // MARK: Drawing

    private func resize() {
        size = TerminalSize.current ?? TerminalSize(columns: 80, rows: 24)
        shown = []
        view.keepOffset(page: TopScreen.page(size))
    }

    /// Sends the rows that are not on the terminal already.
    private func draw() throws {
        let screen = TopScreen(view: view, size: size, usesUnicode: painter.usesUnicode)
        let rows = screen.lines.prefix(size.rows).map { painter.text($0, width: size.columns) }
        // Unknown what is there: all of it goes.
        var text = shown.isEmpty ? "\u{1b}[0m\u{1b}[2J" : ""
        for place in 0..<max(rows.count, shown.count) {
            let row = place < rows.count ? rows[place] : ""
            if place < shown.count, shown[place] == row { continue }
            text += "\u{1b}[\(place + 1);1H\(row)\u{1b}[K"
        }
        shown = Array(rows)
        guard text.isEmpty || terminal.write(text) else {
            terminal.leave()
            throw CommandFailure("the terminal takes nothing any more")
        }
    }
}
#endif
