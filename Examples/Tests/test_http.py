import random
import re
import signal
import socket
import subprocess

from harness import Case, Hostile, ending, is_silent, read_exactly, read_to_end, read_until, wait_until

HELLO = b"Hello, world!\n"


class Web(Hostile, Case):
    forms = ("http", "http-async")
    conversation = (
        b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nAccept: */*\r\n\r\nabc"
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789")

    def check_health(self):
        status, _, body = self.ask(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((status, body), (200, HELLO))

    def ask(self, request, peer=None, has_body=True):
        peer = peer or self.connect()
        peer.sendall(request)
        return self.response(peer, has_body)

    def response(self, peer, has_body=True):
        head = read_until(peer, b"\r\n\r\n").decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = read_exactly(peer, int(fields.get("content-length", 0))) if has_body else b""
        return int(head.split()[1]), fields, body

    def curl(self, *arguments, body=None):
        run = subprocess.run(["curl", "-s", "-i", "--max-time", "10", *arguments], input=body, capture_output=True)
        self.assertEqual(run.returncode, 0, arguments)
        return run.stdout

    # MARK: Real clients

    def test_curl(self):
        url = f"http://127.0.0.1:{self.server.port}"
        got = self.curl(f"{url}/hello?name=you")
        self.assertTrue(got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\n" + HELLO), got)
        self.assertRegex(got.decode(), r"\r\nDate: \w\w\w, \d\d \w\w\w \d{4} \d\d:\d\d:\d\d GMT\r\n")
        self.assertNotIn(HELLO, self.curl("-I", f"{url}/hello"))
        self.assertTrue(self.curl(f"{url}/nothing").startswith(b"HTTP/1.1 404"))
        self.assertTrue(self.curl("--http1.0", f"{url}/").startswith(b"HTTP/1.1 200"))
        got = self.curl("-d", "x", f"{url}/hello")
        self.assertTrue(got.startswith(b"HTTP/1.1 405") and b"\r\nAllow: GET, HEAD\r\n" in got, got)
        for how, size, status in ((["--data-binary", "@-"], 1_000_000, b" 405 "), (["--data-binary", "@-"], 2_000_000, b" 413 "),
                                  (["-H", "Transfer-Encoding: chunked", "-T", "-"], 1_000, b" 411 ")):
            got = self.curl(*how, f"{url}/hello", body=bytes(size))
            self.assertIn(status, re.findall(rb"HTTP/1.1.*", got)[-1], (how, size))
        # Two requests on one connection.
        said = subprocess.run(["curl", "-sv", f"{url}/hello", f"{url}/health"], capture_output=True, text=True)
        self.assertEqual(said.stdout, HELLO.decode() + '{"healthy":true}\n')
        self.assertIn("Re-using existing connection", said.stderr)

    def test_wrk(self):
        run = subprocess.run(
            ["wrk", "-t", "1", "-c", "50", "-d", "1", f"http://127.0.0.1:{self.server.port}/hello"],
            capture_output=True, text=True, timeout=30)
        self.assertGreater(int(re.search(r"(\d+) requests in", run.stdout).group(1)), 100)
        self.assertNotIn("errors", run.stdout)  # of the socket
        self.assertNotIn("Non-2xx", run.stdout)

    # MARK: Connections

    def test_pipelining(self):
        peer = self.connect()
        peer.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 50
                     + b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for _ in range(50):
            status, fields, body = self.response(peer)
            self.assertEqual((status, fields["connection"], body), (200, "keep-alive", HELLO))
        status, fields, _ = self.response(peer, has_body=False)
        self.assertEqual((status, fields["connection"]), (200, "close"))
        self.assertEqual(read_to_end(peer), b"")

    def test_bodies_are_skipped(self):
        peer = self.connect()
        randomness = random.Random(1)
        for size in (0, 1, 1_000, 200_000):
            body = randomness.randbytes(size)
            request = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (size, body)
            self.assertEqual(self.ask(request, peer)[0], 405)
            request = b"GET /no HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:\t %d \r\n\r\n%s" % (size, body)
            self.assertEqual(self.ask(request, peer)[0], 404)
        self.assertTrue(is_silent(peer))

    def test_byte_by_byte(self):
        peer = self.connect()
        for byte in self.conversation:
            peer.sendall(bytes([byte]))
        self.assertEqual([self.response(peer)[0] for _ in range(3)], [200, 405, 405])

    def test_old_clients(self):
        peer = self.connect()
        for request, fate in ((b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
                              (b"\r\nGET /hello HTTP/1.0\r\n\r\n", "close")):
            self.assertEqual(self.ask(request, peer)[1]["connection"], fate)
        self.assertEqual(read_to_end(peer), b"")

    def test_half_close(self):
        peer = self.connect()
        peer.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(read_to_end(peer).count(HELLO), 20)

    def test_who_asks_before_it_sends_a_body_is_told_the_outcome(self):
        peer = self.connect()
        request = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        status, fields, _ = self.ask(request, peer)
        self.assertEqual((status, fields["connection"]), (405, "close"))
        self.assertEqual(read_to_end(peer), b"")

    # MARK: Refusals, each of which ends the connection

    def expect(self, status, request):
        peer = self.connect()
        peer.sendall(request + b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        got, fields, _ = self.response(peer)
        self.assertEqual((got, fields["connection"]), (status, "close"), request[:200])
        self.assertEqual(read_to_end(peer), b"", request[:200])

    def test_bad_requests(self):
        line, host = b"GET / HTTP/1.1\r\n", b"Host: a\r\n"
        for head in (b"GET /\r\n\r\n", b"GET  / HTTP/1.1\r\n" + host, b" / HTTP/1.1\r\n" + host,
                     b"GET http://a/ HTTP/1.1\r\n" + host, line, line + host + host, line + host + b"no colon\r\n",
                     line + host + b"a : b\r\n", line + host + b" folded: b\r\n", line + host + b": b\r\n",
                     b"GET / HTTP/1.1\n" + host, line + b"Host: a\nB: c\r\n", b"\x00\x01\x02\r\n",
                     line + host + b"Content-Length: 1x\r\n", line + host + b"Content-Length: -1\r\n",
                     line + host + b"Content-Length: +1\r\n", line + host + b"Content-Length: \r\n",
                     line + host + b"Content-Length: " + b"9" * 19 + b"\r\n",
                     line + host + b"Content-Length: 1\r\nContent-Length: 1\r\n",
                     line + host + b"Content-Length: 0\r\nContent-Length: 1\r\n"):
            self.expect(400, head + b"\r\n")

    def test_a_body_without_a_length_is_refused(self):
        for line in (b"POST / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.0\r\n", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"):
            for coding in (b"chunked", b"gzip, chunked", b"identity"):
                self.expect(411, line + b"Transfer-Encoding: " + coding + b"\r\n\r\n")

    def test_too_large(self):
        self.expect(413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n")
        self.expect(431, b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 8_200)
        self.expect(431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 1_400)

    def test_a_refusal_is_heard_by_a_client_that_sends_on(self):
        said = ending(self.connect(), b"POST /hello HTTP/1.1\r\n\r\n" + bytes(2 << 20))
        self.assertTrue(said.startswith(b"HTTP/1.1 400 ") and said.endswith(b"\r\n\r\n400 Bad Request\n"), said)
        said = ending(self.connect(), b"GET /hello HTTP/1.0\r\n\r\n" + bytes(2 << 20))
        self.assertTrue(said.startswith(b"HTTP/1.1 200 ") and said.endswith(HELLO), said)

    def test_what_it_does_not_know(self):
        self.assertEqual(self.ask(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n")[0], 405)
        for version in (b"HTTP/2.0", b"HTTP/1.10", b"HTTX/1.1", b"", b"HTTP/1.1 "):
            self.expect(505, b"GET / " + version + b"\r\nHost: a\r\n\r\n")

    def test_a_client_that_does_not_read_ends_and_nobody_else(self):
        self.send_without_reading(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000, times=3_000, seconds=1)
        self.check_health()

    # MARK: The stop

    def test_stop_answers_what_is_on_its_way(self):
        server = self.start(self.service)
        peers = [self.connect(server) for _ in range(20)]
        for peer in peers:
            self.assertEqual(self.ask(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", peer)[0], 200)
        peers[0].sendall(b"GET /hello HTTP/1.1\r\nHo")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server.port))
        peers[0].sendall(b"st: a\r\n\r\n")
        status, fields, body = self.response(peers[0])
        self.assertEqual((status, fields["connection"], body), (200, "close", HELLO))
        for peer in peers[1:10]:
            status, fields, body = self.ask(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", peer)
            self.assertEqual((status, fields["connection"], body), (200, "close", HELLO))
        # The others ask nothing more, and hold it no longer than the drain.
        self.assertEqual(server.process.wait(10), 0)


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # It was in the backlog of a listener that closed just then.
