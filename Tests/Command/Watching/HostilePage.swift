import ChildProcesses
import Foundation

/// A process with a stats page of its own making: the names of fields are this build's, and the numbers are any.
struct HostilePage {
    let child: ChildProcess

    /// Writes 0, the largest number and numbers in between into every field, each a different one every 50 ms.
    private static let script = """
        import ctypes, os, random, struct, sys, time
        names = sys.argv[1].split(",")
        workers = int(sys.argv[2])
        kinds = {"gauge": 2, "counter": 1}
        units = {"count": 1, "bytes": 2, "ns": 3, "flag": 4, "set": 5}
        totals = {"none": 0, "sum": 1, "newest": 2}
        fd = os.memfd_create("iocp-stats")
        cell = (8 + 8 * len(names) + 63) // 64 * 64
        head = struct.pack("<8sIIIi16sII", b"iocspats", 2, cell, workers, 1, b"uring", len(names), 40)
        page = head.ljust(64, b"\\0")
        for name in names:
            word, kind, unit, total = name.split(":")
            page += struct.pack("<32sBBB5x", word.encode(), kinds[kind], units[unit], totals[total])
        page = page.ljust((len(page) + 63) // 64 * 64, b"\\0")
        numbers = [0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 10**9]
        first = True
        while True:
            cells = b""
            for worker in range(workers):
                values = [random.choice(numbers + [random.getrandbits(64)]) for _ in names]
                cells += struct.pack("<II%dQ" % len(names), worker, 2**32 - 2, *values).ljust(cell, b"\\0")
            os.pwrite(fd, page + cells, 0)
            if first: print("ready", flush=True)
            first = False
            time.sleep(0.05)
        """

    init(workers: Int) throws {
        let fields = try Outcome(of: ["stats", "--fields", "--json"]).output
        struct List: Decodable { let fields: [[String: String]] }
        let list = try JSONDecoder().decode(List.self, from: Data(fields.utf8))
        let names = list.fields.map { field in
            ["name", "kind", "unit", "total"].map { field[$0] ?? "" }.joined(separator: ":")
        }
        child = try ChildProcess(
            "/usr/bin/python3", ["-c", HostilePage.script, names.joined(separator: ","), "\(workers)"])
        _ = try child.line(of: .output, beginning: "ready")
    }
}
