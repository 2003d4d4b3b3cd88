import Hummingbird
import Logging
import Support

let router = Router()
router.get("/") { _, _ in "Hello, world!\n" }
router.get("/users/{id}") { _, context in "user \(try context.parameters.require("id"))\n" }
router.post("/echo") { request, _ in Response(status: .ok, body: ResponseBody(asyncSequence: request.body)) }

var logger = Logger(label: "hummingbird")
logger.logLevel = .error
let launch = try Launch()
try await serve(router.buildResponder(), on: launch.bootstrap, port: launch.port, logger: logger) { channel in
    launch.onSignal { channel.close(promise: nil) }
    launch.announce(channel)
}
try await launch.group.shutdownGracefully()
