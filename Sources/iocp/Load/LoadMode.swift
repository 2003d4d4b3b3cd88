#if Command
/// What a load does with its connections.
enum LoadMode: Sendable, Equatable {
    /// A closed loop: every active connection keeps this number of messages outstanding.
    case echo(depth: Int)
    /// An open loop: messages a second over all active connections, whatever becomes of them.
    case rate(Int)
    /// Every connection opens, echoes one message, closes, and opens again.
    case churn
    /// One more connection publishes frames, this number outstanding; the others receive each of them.
    case fanOut(depth: Int)

    /// What the figures count.
    var noun: String {
        switch self {
        case .echo, .rate: "message"
        case .churn: "cycle"
        case .fanOut: "delivery"
        }
    }

    var nounPlural: String { self == .churn || noun == "message" ? noun + "s" : "deliveries" }

    /// Whether what is outstanding at the end is waited for. In a closed loop it is as much as ever, and says nothing.
    var waitsForAnswers: Bool {
        if case .echo = self { false } else { true }
    }

    /// Whether messages are the pattern's own bytes. A frame of a fan-out is copied, and numbered.
    var sendsPattern: Bool {
        if case .fanOut = self { false } else { true }
    }

    /// Its rate, on the line that ends measuring.
    var unit: String {
        switch self {
        case .echo, .rate: "msg/s"
        case .churn: "cycles/s"
        case .fanOut: "deliveries/s"
        }
    }
}

/// What the main thread posts to the workers of a load.
enum LoadOrder: UInt64 {
    /// Every connection is up, and nothing is outstanding: measure.
    case begin
    /// What was measured since ``begin`` does not count: begin anew, in the midst of it.
    case settled
    /// Send nothing new; deliver the figures once everything outstanding is answered, and wait for the next ``begin``.
    case pause
    /// Send nothing new; deliver the figures once everything outstanding is answered.
    case cease
    /// Deliver them now.
    case finish
    /// Of the pacer: a message is due.
    case tick
    /// Of another worker: a frame reached its last subscriber.
    case delivered
    /// Of another worker: the last frame of a turn reached its last subscriber.
    case rest
}
#endif
