import ChildProcesses
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Commands {
    /// What `iocp doctor` prints, its exit status, and files that make no sense.
    @Suite struct DoctorReport {
        @Test("a machine that wants nothing: status 0, and the last line says so", needsRing)
        func fit() throws {
            let machine = try StagedMachine()
            #expect(try Diagnosis(of: machine).troubles == [])
            let outcome = try Outcome(of: ["doctor", "--root", machine.root])
            #expect(outcome.status == 0 && outcome.errors == "")
            #expect(outcome.outputLines.last?.hasPrefix("No warnings: this machine is fit.") == true)
        }

        @Test("the first thing to do is that of the worst check", needsRing)
        func first() throws {
            let machine = try StagedMachine([
                "proc/sys/net/core/somaxconn": "128\n", "sys/fs/cgroup/server/pids.max": "1\n",
            ])
            let outcome = try Outcome(of: ["doctor", "--root", machine.root])
            #expect(outcome.status == 2)
            #expect(
                outcome.outputLines.last == "1 bad, 1 warning. First: systemctl set-property UNIT TasksMax=infinity")
            let warned = try StagedMachine(["proc/sys/net/core/somaxconn": "128\n"])
            let other = try Outcome(of: ["doctor", "--root", warned.root])
            #expect(other.status == 1)
            #expect(other.outputLines.last == "1 warning. First: sysctl -w net.core.somaxconn=4096")
        }

        @Test(
            "80 columns hold the report",
            arguments: [[], ["--connections", "10000000"]] as [[String]])
        func width(options: [String]) throws {
            for root in [nil, try StagedMachine(), try StagedMachine(files: [:])] {
                let outcome = try Outcome(of: ["doctor"] + options + (root.map { ["--root", $0.root] } ?? []))
                #expect((0...2).contains(outcome.status) && outcome.errors == "")
                #expect(outcome.outputLines.count > 20)
                for line in outcome.outputLines where !line.contains("$ ") {
                    #expect(line.count <= 80 && !line.hasSuffix(" "), "\(line)")
                }
            }
        }

        @Test("text and JSON tell the same checks")
        func sameChecks() throws {
            let machine = try StagedMachine()
            let names = try Diagnosis(of: machine).checks.compactMap { $0["name"]?.text }
            let outcome = try Outcome(of: ["doctor", "--root", machine.root])
            for name in names { #expect(outcome.outputLines.contains { $0.contains("  \(name)") }, "\(name)") }
        }

        @Test("this machine's report fits the schema, and each check has its own name")
        func schema() throws {
            for options in [[], ["--connections", "50000"]] {
                let diagnosis = try Diagnosis(options)
                let names = diagnosis.checks.map { "\($0["group"]?.text ?? "")/\($0["name"]?.text ?? "")" }
                #expect(Set(names).count == names.count && names.count > 25)
                for check in diagnosis.checks where check["verdict"] != .text("ok") {
                    #expect(check["cost"] != .text(""), "\(check)")
                }
            }
        }

        @Test("files that are not there: every check says so, and nothing ends")
        func nothing() throws {
            let diagnosis = try Diagnosis(of: StagedMachine(files: [:]), ["--connections", "1000"])
            let unknown = diagnosis.checks.filter { $0["known"] == .boolean(false) }
            #expect(unknown.count > 15)
            for check in unknown {
                #expect(check["found"]?.text?.hasPrefix("unknown: ") == true && check["verdict"] == .text("note"))
            }
            #expect(try !diagnosis.check("processors", "quota").isKnown)
            #expect(
                try diagnosis.check("network", "somaxconn").found.contains(
                    "/proc/sys/net/core/somaxconn cannot be read"))
        }

        /// What may lie in the place of a file.
        static let garbage: [(String, Data)] = [
            ("empty", Data()), ("blank", Data(" \n\n".utf8)), ("bytes", Data((0...255).map { UInt8($0) })),
            ("not UTF-8", Data(repeating: 0xff, count: 1_000)), ("megabytes", Data(repeating: 0x39, count: 4 << 20)),
            ("megabytes of lines", Data(repeating: 0x0a, count: 4 << 20)),
            ("a huge number", Data("99999999999999999999999999\n".utf8)),
            ("the largest", Data("9223372036854775807\n".utf8)),
            ("a negative number", Data("-1\n".utf8)),
            ("large numbers", Data("9223372036854775807 18446744073709551615 1".utf8)),
            ("zero", Data("0\n".utf8)), ("a large range", Data("0-99999999\n".utf8)),
            ("half a range", Data("3-\n".utf8)),
            ("a range backwards", Data("7-2\n".utf8)), ("escapes", Data("\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\n".utf8)),
            ("colons", Data(String(repeating: ":", count: 60_000).utf8)), ("dots", Data("6.......\n".utf8)),
            ("slashes", Data(("0::" + String(repeating: "/..", count: 15_000) + "\n").utf8)),
            (
                "large fields",
                Data(
                    """
                    MemTotal: 99999999999999999999 kB
                    MemAvailable: 18446744073709551615 kB
                    HugePages_Total: 281474976710656
                    HugePages_Free: 281474976710656
                    Hugepagesize: 99999999999 kB
                    Max open files 9223372036854775807 18446744073709551615 files
                    Max locked memory 0 0 bytes
                    Max processes 0 0 processes
                    CapEff: ffffffffffffffffffffff
                    Seccomp: 7
                    Cpus_allowed_list: 8191
                    Uid: 1

                    """.utf8)
            ),
        ]

        @Test("files that make no sense", arguments: garbage)
        func nonsense(name: String, bytes: Data) throws {
            let machine = try StagedMachine()
            for path in StagedMachine.paths { try machine.write(bytes, to: path) }
            for path in ["sys/fs/cgroup/cpu.max", "sys/fs/cgroup/pids.max", "sys/fs/cgroup/memory.max"] {
                try machine.write(bytes, to: path)
            }
            for path in ["nf_conntrack_count", "nf_conntrack_max"] {
                try machine.write(bytes, to: "proc/sys/net/netfilter/" + path)
            }
            for options in [[], ["--connections", "10000000"]] {
                _ = try Diagnosis(of: machine, options)
                let outcome = try Outcome(of: ["doctor", "--root", machine.root] + options)
                #expect((0...2).contains(outcome.status) && outcome.errors == "")
                #expect(outcome.output.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && $0 != "\u{202e}" })
            }
        }

        @Test("folders and FIFOs in the place of files")
        func otherKinds() throws {
            for kind in ["folder", "FIFO"] {
                let machine = try StagedMachine()
                for path in StagedMachine.paths {
                    let file = machine.root + "/" + path
                    try FileManager.default.removeItem(atPath: file)
                    #expect(unsafe (kind == "FIFO" ? mkfifo(file, 0o600) : mkdir(file, 0o700)) == 0)
                }
                #expect(try Diagnosis(of: machine).checks.count > 20)
            }
        }

        @Test("a root that is not there is a one-line error")
        func noRoot() throws {
            let outcome = try Outcome(of: ["doctor", "--root", "/no/such/folder"])
            #expect(outcome.status == 1 && outcome.output == "")
            #expect(outcome.errors == "iocp: there is no folder \"/no/such/folder\"\n")
        }

        // MARK: The check of schemas itself

        private static let misfits: [(schema: String, value: String, violation: String)] = [
            (#"{"type": "object", "required": ["a"]}"#, "{}", "$ lacks a"),
            (#"{"properties": {"a": {"type": "integer"}}}"#, #"{"a": 1.5}"#, "$.a is not of type integer"),
            (#"{"properties": {"a": {"type": "integer"}}}"#, #"{"a": true}"#, "$.a is not of type integer"),
            (#"{"properties": {}, "additionalProperties": false}"#, #"{"b": 1}"#, "$.b is not in the schema"),
            (#"{"items": {"enum": ["x"]}}"#, #"["x", "y"]"#, "$[1] is none of the enum"),
            (#"{"minimum": 1}"#, "0", "$ is too small"), (#"{"maximum": 1}"#, "2", "$ is too large"),
            (#"{"minLength": 1}"#, #""""#, "$ is too short"), (#"{"minItems": 1}"#, "[]", "$ has too few items"),
            (#"{"const": 1}"#, "2", "$ is not the constant"),
            (#"{"pattern": "^x$"}"#, #""y""#, "$ does not match the pattern"),
            (#"{"maxItems": 1}"#, "[1, 2]", "$ has too many items"),
            (##"{"$ref": "#/$defs/a", "$defs": {"a": {"minimum": 1}}}"##, "0", "$ is too small"),
            (##"{"$ref": "#/$defs/a"}"##, "0", ##"$: there is no definition text("#/$defs/a")"##),
            (#"{"oneOf": [{"minimum": 1}, {"minimum": 2}]}"#, "3", "$ fits 2 of oneOf"),
            (#"{"patternProperties": {"^a": {"minimum": 1}}}"#, #"{"ab": 0, "b": 0}"#, "$.ab is too small"),
            (
                #"{"patternProperties": {"^a": {}}, "additionalProperties": false}"#, #"{"ab": 0, "b": 0}"#,
                "$.b is not in the schema"
            ),
            (#"{"format": "date"}"#, "1", "$: the keyword format is not checked"),
        ]

        @Test("a value that does not fit a schema is told", arguments: misfits)
        func violations(schema: String, value: String, violation: String) throws {
            #expect(try SchemaCheck(text: schema).violations(JSONValue.parse(value)) == [violation])
        }
    }
}
