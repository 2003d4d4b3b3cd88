import Glibc  // for the test
import IOCP

let port = try CompletionPort()
let worker = try port.attachWorker()
print("listening on \(try port.listen(host: "127.0.0.1", port: Int(CommandLine.arguments[1])!))")
fflush(nil)  // for the test
var batch = CompletionBatch()
while true {
    for index in 0..<(try worker.wait(into: &batch)) {
        guard let bytes = batch.takeBytes(at: index), let connection = batch[index].connection else { continue }
        // The peer may have gone meanwhile: that ends its connection, and nobody else's.
        do { try worker.send(bytes, to: connection) } catch { worker.abort(connection) }
    }
}
