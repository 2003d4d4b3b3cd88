import CIOCP

/// The core checks every bound, and names its own fields; here each gets the name of its property.
enum ConfigurationBounds {
    /// The core's name of each field, and the property it comes from. A test reads both types and asks for what is
    /// missing.
    static let properties: [String: String] = [
        "driver": "driver", "worker_count": "workers", "connections_per_worker": "connectionsPerWorker",
        "connections": "connections",
        "receive_buffer_bytes": "receiveBufferBytes", "receive_buffers_per_worker": "receiveBuffersPerWorker",
        "send_chunks_per_worker": "sendChunksPerWorker", "completion_queue_entries": "completionQueueEntries",
        "mailbox_entries": "mailboxEntries", "listen_backlog": "listenBacklog", "linger_timeout_ns": "lingerTimeout",
        "send_low_bytes": "sendLowWatermark", "send_high_bytes": "sendHighWatermark", "send_cap_bytes": "sendCap",
        "worker_unsent_bytes": "unsentBytesPerWorker", "idle_timeout_ns": "idleTimeout",
        "receive_timeout_ns": "receiveTimeout", "send_timeout_ns": "sendTimeout",
        "receive_progress_bytes": "receiveProgressBytes", "timers_per_worker": "timersPerWorker",
        "offload_threads": "offloadThreads", "offload_queue_entries": "offloadQueueEntries",
        "offload_idle_ns": "offloadIdleTimeout", "cancels_offloads_at_stop": "cancelsOffloadsAtStop", "balances_load": "balancesLoad",
        "connections_per_address": "connectionsPerAddress", "accepts_per_second": "acceptsPerSecond",
        "spin_ns": "spinBeforeSleep", "busy_poll_us": "busyPoll", "overflow_policy": "overflowPolicy", "placement": "placement",
        "lockdown": "lockdown", "holds_back_receive": "holdsBackReceive", "half_close": "deliversHalfClose",
        "deliver_after_first_bytes": "opensAfterFirstBytes", "worker_placement": "workerPlacement",
        "worker_cpus": "workerPlacement",
    ]

    /// A sentence of the core's with each field's name replaced: "worker_count (at most 1,024)" becomes
    /// "workers (at most 1,024)".
    static func translated(_ text: String) -> String {
        var result = ""
        var word = ""
        func ended() -> String { properties[word] ?? word }
        for character in text {
            if character == "_" || character.isLetter {
                word.append(character)
            } else {
                result += ended()
                result.append(character)
                word = ""
            }
        }
        return result + ended()
    }

    /// Why a value is refused that does not even fit its field: by the bounds that the core states for the largest one.
    static func misfit<Value: FixedWidthInteger>(_ field: WritableKeyPath<iocp_port_config, Value>, _ name: String)
        -> IOCPError
    {
        var probe = iocp_port_config_default()
        probe[keyPath: field] = .max
        let bounds = unsafe iocp_port_config_broken_field(&probe).map { unsafe translated(String(cString: $0)) }
        return IOCPError(
            code: 22 /* EINVAL */, operation: .configuration, detail: bounds ?? "\(name) (at most \(Value.max))")
    }
}

extension iocp_port_config {
    mutating func set(_ field: WritableKeyPath<iocp_port_config, UInt32>, _ value: Int, _ name: String)
        throws(IOCPError)
    {
        guard let value = UInt32(exactly: value) else { throw ConfigurationBounds.misfit(field, name) }
        self[keyPath: field] = value
    }

    /// nil is no timeout. Zero would be none, too, to the core, and is refused: it says the opposite.
    mutating func setTimeout(_ field: WritableKeyPath<iocp_port_config, UInt64>, _ timeout: Duration?, _ name: String)
        throws(IOCPError)
    {
        if timeout == .zero {
            throw IOCPError(
                code: 22 /* EINVAL */, operation: .configuration, detail: "\(name) (more than zero; nil for none)")
        }
        try set(field, timeout, name)
    }

    mutating func set(_ field: WritableKeyPath<iocp_port_config, UInt64>, _ duration: Duration?, _ name: String)
        throws(IOCPError)
    {
        guard let duration else {
            self[keyPath: field] = 0
            return
        }
        guard duration >= .zero else { throw ConfigurationBounds.misfit(field, name) }
        self[keyPath: field] = duration.wholeNanoseconds
    }
}
