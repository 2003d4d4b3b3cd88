import random
import socket
import subprocess

from harness import Case, Hostile, ending, is_silent, read_exactly, read_to_end, read_until


def command(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def bulk(value):
    return b"$%d\r\n%s\r\n" % (len(value), value)


class KeyValue(Hostile, Case):
    service = "kv"
    conversation = command("SET", "a", "1") + command("EXISTS", "a", "b", "c") + command("PING") + command("GET", "a" * 300)

    def ask(self, *words, expect):
        peer = self.connect()
        peer.sendall(command(*words))
        self.assertEqual(read_exactly(peer, len(expect)), expect)
        peer.close()

    def check_health(self):
        self.ask("PING", expect=b"+PONG\r\n")

    # MARK: Redis' own clients

    def test_redis_cli(self):
        lines = [
            ("set greeting 'hello world'", "OK"), ("get greeting", "hello world"), ("exists greeting nothing", "1"),
            ("incr counter", "1"), ("incr counter", "2"),
            ("incr greeting", "ERR value is not an integer or out of range"),
            ("mset x 1 y 2", "OK"), ("get x", "1"), ("get y", "2"), ("del x y nothing", "2"), ("get x", ""),
            ("ping", "PONG"), ("ping again", "again"), ("echo this", "this"),
            ("config get save", "save\n"), ("nonsense", "ERR unknown command, or wrong arguments for it"),
        ]
        said = subprocess.run(["redis-cli", "-p", str(self.server.port)], text=True, timeout=20, capture_output=True,
                              input="".join(line + "\n" for line, _ in lines)).stdout
        # redis-cli puts an empty line behind each error.
        expected = "".join(reply + ("\n\n" if reply.startswith("ERR") else "\n") for _, reply in lines)
        self.assertEqual(said, expected)

    def test_redis_benchmark(self):
        run = subprocess.run(
            ["redis-benchmark", "-p", str(self.server.port), "-t", "ping_mbulk,set,get,incr,mset", "-n", "20000", "-P", "16",
             "-c", "20", "-r", "1000", "-q"], text=True, timeout=60, capture_output=True)
        self.assertEqual(run.returncode, 0)
        self.assertNotIn("rror", run.stdout)
        self.assertEqual(run.stdout.count("requests per second"), 5)

    # MARK: Commands

    def test_replies_of_one_receive_leave_in_one_send(self):
        peer = self.connect()
        peer.sendall(command("PING") * 100)
        self.assertEqual(peer.recv(1 << 16), b"+PONG\r\n" * 100)

    def test_byte_by_byte(self):
        peer = self.connect()
        for byte in command("SET", "slow", "value") + command("GET", "slow"):
            peer.sendall(bytes([byte]))
        self.assertEqual(read_exactly(peer, 5 + 11), b"+OK\r\n" + bulk(b"value"))

    def test_large_binary_values(self):
        key, value = random.Random(2).randbytes(300), random.Random(3).randbytes(1_000_000)
        self.ask("SET", key, value, expect=b"+OK\r\n")
        self.ask("GET", key, expect=bulk(value))
        self.ask("SET", key, b"", expect=b"+OK\r\n")
        self.ask("GET", key, expect=bulk(b""))
        self.ask("SET", b"", value, expect=b"+OK\r\n")
        self.ask("GET", b"", expect=bulk(value))
        self.ask("DEL", key, b"", key, expect=b":2\r\n")
        self.ask("GET", key, expect=b"$-1\r\n")

    def test_increments_have_an_end(self):
        self.ask("SET", "last", (1 << 63) - 1, expect=b"+OK\r\n")
        self.ask("INCR", "last", expect=b"-ERR ")
        self.ask("SET", "first", -(1 << 63), expect=b"+OK\r\n")
        self.ask("INCR", "first", expect=b":-9223372036854775807\r\n")
        self.ask("GET", "first", expect=bulk(b"-9223372036854775807"))

    def test_quit(self):
        peer = self.connect()
        peer.sendall(command("SET", "kept", "1") + command("QUIT") + command("SET", "kept", "2"))
        self.assertEqual(read_to_end(peer), b"+OK\r\n+OK\r\n")
        self.ask("GET", "kept", expect=bulk(b"1"))

    def test_half_close(self):
        peer = self.connect()
        peer.sendall(command("ECHO", "last words") * 1_000)
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(read_to_end(peer), bulk(b"last words") * 1_000)

    # MARK: Bounds

    def test_malformed_is_refused_by_name(self):
        for bad in (b"*1025\r\n", b"*-1\r\n", b"*x\r\n", b"*\r\n", b"*1\r5\n", b"*1\r\n$1048577\r\n", b"*1\r\n$-1\r\n",
                    b"*1\r\n$4\rPING", b"*1\r\n+PING\r\n", b"*2\r\n$1\r\nab$1\r\nb\r\n", b"*" + b"9" * 100,
                    b"PING\r\n", b"\r\n", b"*1\n$4\nPING\n", b"$4\r\nPING\r\n", b"*1\r\n*1\r\n"):
            peer = self.connect()
            try:
                peer.sendall(command("PING") + bad)
                said = read_to_end(peer)
            except ConnectionError:
                said = b"+PONG\r\n-ERR "  # it was closed under the last bytes
            self.assertTrue(said.startswith(b"+PONG\r\n-ERR "), (bad[:30], said[:100]))
        self.check_health()

    def test_a_refusal_is_heard_by_a_client_that_sends_on(self):
        said = ending(self.connect(), command("PING") + b"*x\r\n" + bytes(2 << 20))
        self.assertEqual(said, b"+PONG\r\n-ERR Protocol error: invalid length\r\n")
        said = ending(self.connect(), command("QUIT") + command("PING") * 100_000)
        self.assertEqual(said, b"+OK\r\n")

    def test_wrong_arguments(self):
        for words in (["GET"], ["GET", "a", "b"], ["SET", "a"], ["SET", "a", "1", "EX"], ["SET", "a", "1", "EX", "1"], ["MSET"],
                      ["MSET", "a"], ["INCR"], [b""], ["MSET", "a", "1", "b"], ["SELECT", "1"], [b"\xff\xfe"], ["X" * 100_000]):
            self.ask(*words, expect=b"-ERR ")
        peer = self.connect()
        peer.sendall(b"*0\r\n" + command("PING"))
        self.assertEqual(read_exactly(peer, 7), b"+PONG\r\n")

    def test_a_client_that_does_not_read_ends_and_nobody_else(self):
        self.ask("SET", "large", bytes(1 << 19), expect=b"+OK\r\n")
        peer = self.send_without_reading(command("GET", "large") * 10, times=200, seconds=10)
        self.check_health()
        peer.close()

    def test_memory_is_bounded(self):
        server = self.start("kv")
        peer = self.connect(server)
        value = bytes(1_000_000)
        replies = []
        for index in range(270):
            peer.sendall(command("SET", index, value))
            replies.append(read_until(peer, b"\r\n"))
        self.assertEqual(set(replies), {b"+OK\r\n", b"-ERR no memory is left for it\r\n"})
        self.assertEqual(replies.count(b"+OK\r\n"), 268)
        peer.sendall(command("DEL", 1) + command("SET", "next", value))
        self.assertEqual(read_exactly(peer, 9), b":1\r\n+OK\r\n")
        self.assertTrue(is_silent(peer))
