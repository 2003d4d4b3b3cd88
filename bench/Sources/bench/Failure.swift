/// Why one measurement, or the whole bench, could not be made: a sentence for a table row.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
