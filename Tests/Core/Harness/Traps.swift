import Testing

/// A trap names the rule that was broken. `result` is nil when the process ended otherwise, which was reported already.
func expectMessage(_ result: ExitTest.Result?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let result else { return }
    let said = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(said.contains(message), sourceLocation: sourceLocation)
}
