import GRPCCore

/// Messages of a call are bytes here; a service of yours has them made of its .proto.
struct Plain: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
        bytes.withUnsafeBytes { Array($0) }
    }
}

/// Answers each message of a call with itself.
struct Echo: RegistrableRPCService {
    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        for method in ["Unary", "Stream"] {
            router.registerHandler(
                forMethod: MethodDescriptor(fullyQualifiedService: "echo.Echo", method: method), deserializer: Plain(),
                serializer: Plain()
            ) { request, _ in
                StreamingServerResponse { writer in
                    for try await message in request.messages { try await writer.write(message) }
                    return [:]
                }
            }
        }
    }
}
