import Glibc  // for the test
import IOCP

struct FrameEcho: ConnectionHandler {
    func makeState() -> FrameBuffer<LengthPrefixed> { FrameBuffer(LengthPrefixed(.four)) }

    func received(_ bytes: RawSpan, on connection: IocpContext<FrameBuffer<LengthPrefixed>>) throws(IOCPError) {
        var input = bytes
        while let frame = try connection.state.next(in: &input) {
            try connection.send(frame.encoded)  // frame.bytes is the payload alone
        }
    }
}
let server = try IOCPServer { _ in FrameEcho() }  // for the test
print("listening on \(try server.listen(host: "127.0.0.1", port: Int(CommandLine.arguments[1])!))")  // for the test
fflush(nil)  // for the test
try server.wait()  // for the test
