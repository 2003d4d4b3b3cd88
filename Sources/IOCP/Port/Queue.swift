/// What waits, first in, first out: a ring that grows by doubling. Each operation is O(1), amortised, and what is taken out is
/// released at once. One that was never used holds no memory, and a steady state allocates nothing.
struct Queue<Element> {
    /// `count` elements from `head` on, around the end; the other places are nil. As many places as a power of two.
    private var places: [Element?] = []
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var first: Element? { isEmpty ? nil : places[head] }

    private func place(_ index: Int) -> Int { (head &+ index) & (places.count &- 1) }

    mutating func append(_ element: Element) {
        if count == places.count { grow() }
        places[place(count)] = element
        count += 1
    }

    mutating func prepend(_ element: Element) {
        if count == places.count { grow() }
        head = place(-1)
        places[head] = element
        count += 1
    }

    mutating func popFirst() -> Element? {
        if isEmpty { return nil }
        let element = places[head].take()
        head = place(1)
        count -= 1
        return element
    }

    /// Moves everything that the other one holds behind what is here.
    mutating func take(all other: inout Queue) {
        if isEmpty {
            swap(&self, &other)
        } else {
            while let element = other.popFirst() { append(element) }
        }
    }

    /// Keeps the memory for what comes.
    mutating func removeAll() {
        while popFirst() != nil {}
    }

    private mutating func grow() {
        var larger: [Element?] = []
        larger.reserveCapacity(max(8, 2 * count))
        for index in 0..<count { larger.append(places[place(index)]) }
        while larger.count < max(8, 2 * count) { larger.append(nil) }
        (places, head) = (larger, 0)
    }
}
