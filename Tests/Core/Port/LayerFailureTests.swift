import CIOCPInternals
import Testing

/// What a layer's refusals are called.
@Suite struct LayerFailureTests {
    @Test func everyFailureHasWords() {
        let named = [
            IOCP_LAYER_TIMED_OUT, IOCP_LAYER_CUT, IOCP_LAYER_UNBEGUN, IOCP_LAYER_UNKNOWN, IOCP_LAYER_NO_ROOM,
            IOCP_LAYER_BROKEN,
        ].map { Int32($0.rawValue) }
        let alerts = (0..<256).flatMap { [Int32(IOCP_LAYER_PEER_REFUSED.rawValue) + $0, Int32(IOCP_LAYER_REFUSED.rawValue) + $0] }
        for failure in named + alerts { #expect(iocp_layer_failure_words(failure) != nil, "\(failure)") }
        #expect(Set(named.map { String(cString: iocp_layer_failure_words($0)) }).count == named.count)
        #expect(iocp_layer_failure_words(0) == nil && iocp_layer_failure_words(22) == nil)
    }
}
