import Testing

extension Commands {
    @Suite struct Usage {
        @Test(
            "bad usage exits 64 and says on stderr what is wrong",
            arguments: [
                ["serve", "--port", "65536"],
                ["serve", "--port=-1"],
                ["serve", "--port", "-1"],
                ["serve", "--workers", "-2"],
                ["serve", "--spin", "-1"],
                ["serve", "--receive-buffer", "2048"],
                ["serve", "--receive-buffer", "5000"],
                ["serve", "--receive-buffer", "2097152"],
                ["serve", "--fan-out", "-1"],
                ["serve", "--user", "no-such-user"],
                ["stress", "--port", "-1"],
                ["stress", "--connections", "-5"],
                ["stress", "--duration", "-0.5"],
                ["stress", "--size", "-1"],
                ["stats", "--pid", "-1"],
                ["serve", "--workers", "0"],
                ["serve", "--workers", "1025"],
                ["serve", "--driver", "select"],
                ["serve", "--handler", "http"],
                ["stress", "--port", "0"],
                ["stress", "--connections", "0"],
                ["stress", "--connections", "1000001"],
                ["stress", "--active", "1001"],
                ["stress", "--size", "0"],
                ["stress", "--size", "8388609"],
                ["stress", "--depth", "0"],
                ["stress", "--depth", "1025"],
                ["stress", "--duration", "0"],
                ["stress", "--duration", "3600.5"],
                ["stress", "--duration", "nan"],
                ["stress", "--connect-timeout", "0"],
                ["stress", "--workers", "1025"],
                ["stress", "--size", "8388608", "--depth", "1024"],
                ["stress", "--depth", "129", "--size", "8388608", "--active", "1"],
                ["stress", "--rate", "0"],
                ["stress", "--rate", "10000001"],
                ["stress", "--rate", "100", "--churn"],
                ["stress", "--rate", "100", "--depth", "2"],
                ["stress", "--rate", "100", "--active", "0"],
                ["stress", "--churn", "--fan-out"],
                ["stress", "--churn", "--active", "2"],
                ["stress", "--churn", "--depth", "2"],
                ["stress", "--fan-out", "--active", "2"],
                ["stress", "--fan-out", "--size", "7"],
                ["serve", "--fan-out", "0"],
                ["serve", "--fan-out", "8388609"],
                ["serve", "--fan-out", "64", "--handler", "discard"],
                ["serve", "--connections", "0"],
                ["serve", "--connections", "10000001"],
                ["serve", "--publish-port", "4667"],
                ["serve", "--publish-port", "65536", "--fan-out", "64"],
                ["serve", "--publish-port", "0", "--fan-out", "64", "--unix", "@a"],
                ["hold", "--connections", "0"],
                ["hold", "--active", "11", "--connections", "10"],
                ["hold", "--reconnects", "5", "--connections", "10", "--active", "6"],
                ["hold", "--size", "16385"],
                ["hold", "--return-window", "0"],
                ["stats", "--pid", "0"],
                ["stats", "--pid", "mine"],
                ["stats", "--fields", "--pid", "1"],
                ["doctor", "--connections", "0"],
                ["doctor", "--connections", "-1"],
                ["doctor", "--connections", "10000001"],
                ["doctor", "--connections", "many"],
                ["stats", "--interval", "0.05"],
                ["stats", "--interval", "3601"],
                ["stats", "--interval", "nan"],
                ["stats", "--interval", "-1"],
                ["stats", "--count", "3"],
                ["stats", "--count", "0", "--interval", "1"],
                ["stats", "--prometheus", "--json"],
                ["stats", "--prometheus", "--interval", "1"],
                ["stats", "--fields", "--prometheus"],
                ["serve", "--metrics", "9464"],
                ["serve", "--metrics", "::1:9464"],
                ["serve", "--metrics", "localhost:65536"],
                ["serve", "--metrics", "localhost:+1"],
                ["top", "--interval", "0.05"],
                ["top", "--interval", "11"],
                ["top", "--count", "0"],
                ["top", "--pid", "0"],
            ])
        func badUsage(arguments: [String]) throws {
            let outcome = try Outcome(of: arguments)
            #expect(outcome.status == 64)
            #expect(outcome.output == "")
            let option = try #require(arguments[1].split(separator: "=").first)
            #expect(outcome.errors.contains(option), "\(outcome.errors)")
            #expect(outcome.errors.contains("iocp \(arguments[0]) --help"))
        }

        @Test("a number below its bounds is told its bounds, not taken for an option")
        func negative() throws {
            let outcome = try Outcome(of: ["serve", "--port", "-1"])
            #expect(outcome.errors.hasPrefix("Error: --port takes 0 to 65535, not -1\n"), "\(outcome.errors)")
        }

        @Test("a user whom the machine does not know is named")
        func unknownUser() throws {
            let outcome = try Outcome(of: ["serve", "--user", "no-such-user"])
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("this machine has no user \"no-such-user\""), "\(outcome.errors)")
        }

        @Test(
            "an unknown subcommand exits 64, with the one that was meant",
            arguments: [
                ("sevre", "did you mean \"serve\"?"), ("Stress", "did you mean \"stress\"?"),
                ("docter", "did you mean \"doctor\"?"),
                ("stat", "did you mean \"stats\"?"), ("srve", "did you mean \"serve\"?"),
                ("listen", "there are serve, stress, hold, stats, top, connections, capture, doctor"),
                ("s", "there are serve, stress, hold, stats, top, connections, capture, doctor"),
            ])
        func unknownSubcommand(word: String, answer: String) throws {
            let outcome = try Outcome(of: [word, "--port", "1"])
            #expect(outcome.status == 64)
            #expect(outcome.output == "")
            #expect(outcome.errors.contains("there is no subcommand \"\(word)\": \(answer)"), "\(outcome.errors)")
        }

        @Test("--version")
        func version() throws {
            let outcome = try Outcome(of: ["--version"])
            #expect(outcome.status == 0)
            #expect(outcome.output == "0.1.0\n")
        }

        @Test("every subcommand explains itself", arguments: ["serve", "stress", "stats", "doctor"])
        func help(subcommand: String) throws {
            let outcome = try Outcome(of: [subcommand, "--help"])
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("Examples:\n  iocp \(subcommand)"))
        }
    }
}
