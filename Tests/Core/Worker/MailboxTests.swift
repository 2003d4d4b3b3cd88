import CIOCPInternals
import Glibc
import OwnThreads
import Testing

/// A mailbox of the core's, released with its owner.
private final class Mailbox {
    let mailbox: OpaquePointer

    init(_ entries: UInt32) { mailbox = internals_mailbox_create(entries)! }
    deinit { internals_mailbox_destroy(mailbox) }

    func put(_ value: UInt64, connection: UInt64 = 0) -> Int32 { internals_mailbox_put(mailbox, connection, value) }

    func take() -> (connection: UInt64, value: UInt64)? {
        var connection: UInt64 = 0, value: UInt64 = 0
        return internals_mailbox_take(mailbox, &connection, &value) ? (connection, value) : nil
    }

    func sleep() -> Bool { internals_mailbox_sleep(mailbox) }
    func awake() { internals_mailbox_awake(mailbox) }
    func wakeDue() -> Bool { internals_mailbox_wake_due(mailbox) }
    func close() { internals_mailbox_close(mailbox) }
    var finished: Bool { internals_mailbox_finished(mailbox) }
}

@Suite(.serialized, .ownThreads) struct MailboxTests {
    @Test func lettersComeOutAsTheyWentIn() {
        let mailbox = Mailbox(16)
        #expect(mailbox.take() == nil)
        #expect(mailbox.put(7, connection: 3) == 0)
        #expect(mailbox.put(.max, connection: .max) == 0)
        let first = mailbox.take(), second = mailbox.take()
        #expect(first?.connection == 3 && first?.value == 7)
        #expect(second?.connection == .max && second?.value == .max)
        #expect(mailbox.take() == nil)
    }

    @Test func aFullMailboxRefuses() {
        let mailbox = Mailbox(16)
        for round: UInt64 in 0..<5 { // every cell in several of its lives
            for value: UInt64 in 0..<16 { #expect(mailbox.put(round * 100 + value) == 0) }
            #expect(mailbox.put(99) == -EAGAIN)
            #expect(mailbox.put(99) == -EAGAIN)
            #expect(mailbox.take()?.value == round * 100)
            #expect(mailbox.put(round * 100 + 16) == 0) // one place, one letter
            #expect(mailbox.put(99) == -EAGAIN)
            for value: UInt64 in 1...16 { #expect(mailbox.take()?.value == round * 100 + value) }
            #expect(mailbox.take() == nil)
        }
    }

    @Test func nothingIsTakenBeforeItIsOpen() {
        let mailbox = internals_mailbox_reserve(16)
        defer { internals_mailbox_destroy(mailbox) }
        #expect(internals_mailbox_put(mailbox, 0, 1) == -ENXIO)
        internals_mailbox_open(mailbox)
        #expect(internals_mailbox_put(mailbox, 0, 2) == 0)
        var connection: UInt64 = 0, value: UInt64 = 0
        #expect(internals_mailbox_take(mailbox, &connection, &value) && value == 2)
        #expect(!internals_mailbox_take(mailbox, &connection, &value))
        internals_mailbox_close(mailbox)
        #expect(internals_mailbox_put(mailbox, 0, 3) == -ESHUTDOWN && internals_mailbox_finished(mailbox))
    }

    @Test func closingRefusesAndLosesNothing() {
        let mailbox = Mailbox(16)
        #expect(mailbox.put(1) == 0 && mailbox.put(2) == 0)
        #expect(!mailbox.finished)
        mailbox.close()
        #expect(mailbox.put(3) == -ESHUTDOWN)
        #expect(!mailbox.finished)
        #expect(mailbox.take()?.value == 1)
        #expect(!mailbox.finished)
        mailbox.close() // again, harmlessly
        #expect(mailbox.take()?.value == 2)
        #expect(mailbox.finished && mailbox.take() == nil)
        #expect(mailbox.put(4) == -ESHUTDOWN)
    }

    @Test func anEmptyMailboxIsFinishedOnceClosed() {
        let mailbox = Mailbox(16)
        mailbox.close()
        #expect(mailbox.finished)
    }

    @Test func aFullMailboxThatCloses() {
        let mailbox = Mailbox(16)
        for value: UInt64 in 0..<16 { #expect(mailbox.put(value) == 0) }
        mailbox.close()
        #expect(mailbox.put(16) == -ESHUTDOWN) // not -EAGAIN: trying again would never end
        for value: UInt64 in 0..<16 { #expect(mailbox.take()?.value == value) }
        #expect(mailbox.finished)
    }

    @Test func oneWakePerSleep() {
        let mailbox = Mailbox(16)
        #expect(!mailbox.wakeDue()) // nobody sleeps
        #expect(mailbox.sleep())
        #expect(mailbox.put(1) == 0)
        #expect(mailbox.wakeDue())
        #expect(!mailbox.wakeDue())
        mailbox.awake()
        #expect(!mailbox.wakeDue())
        #expect(!mailbox.sleep()) // a letter waits
        #expect(!mailbox.wakeDue()) // so nobody sleeps
        _ = mailbox.take()
        #expect(mailbox.sleep())
        mailbox.awake()
        #expect(!mailbox.wakeDue())
    }

    @Test func ofManyProducersAtOnceOneIsToldToWake() {
        var least: UInt32 = 0, most: UInt32 = 0
        #expect(internals_wakes_per_sleep(8, 500, &least, &most) == 0)
        #expect(least == 1, "a sleep that nobody was told to end")
        #expect(most == 1)
    }

    // MARK: - Crowds

    private func run(entries: UInt32, producers: UInt32 = 8, each: UInt32, closeAfter: UInt64 = .max, napEvery: UInt32 = 0)
        -> internals_crowd
    {
        var crowd = internals_crowd()
        crowd.mailbox_entries = entries
        crowd.producer_count = producers
        crowd.posts_each = each
        crowd.close_after = closeAfter
        crowd.nap_every = napEvery
        #expect(internals_crowd_run(&crowd) == 0)
        #expect(crowd.taken == crowd.accepted, "every accepted letter is taken, once")
        #expect(crowd.out_of_order == 0)
        #expect(crowd.lost_wakes == 0)
        #expect(crowd.wakes <= crowd.sleeps)
        #expect(crowd.accepted_too_late == 0)
        #expect(crowd.other_answers == 0)
        return crowd
    }

    @Test func everyPostOfACrowdArrivesOnceAndInOrder() {
        let crowd = run(entries: 1024, each: 100_000)
        #expect(crowd.taken == 800_000)
        #expect(crowd.refused_closed == 0)
    }

    /// So small that producers find it full and the consumer finds it empty, over and over.
    @Test func aTinyMailboxLosesNoWake() {
        var full: UInt64 = 0, sleeps: UInt64 = 0
        // How often depends on who gets a processor when: on a busy machine one crowd may never be found asleep.
        for _ in 0..<20 where full == 0 || sleeps == 0 {
            let crowd = run(entries: 16, each: 20_000, napEvery: 3)
            #expect(crowd.taken == 160_000)
            full += crowd.refused_full
            sleeps += crowd.sleeps
        }
        #expect(full > 0 && sleeps > 0)
    }

    /// One slow producer: the consumer sleeps for nearly every letter.
    @Test func everyLetterToASleeperWakesIt() {
        let crowd = run(entries: 64, producers: 1, each: 30_000)
        #expect(crowd.taken == 30_000 && crowd.sleeps > 0)
    }

    @Test(arguments: [1, 777, 40_000] as [UInt64])
    func closingInTheMiddleOfACrowdHasNoThirdOutcome(after: UInt64) {
        let crowd = run(entries: 256, each: 20_000, closeAfter: after)
        #expect(crowd.accepted >= after && crowd.accepted <= after + 256)
        #expect(crowd.accepted + crowd.refused_closed == 160_000)
    }
}
