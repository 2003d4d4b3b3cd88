"""Every service over TLS: what it does in the clear, it does sealed. Real clients drive them."""
import os
import re
import socket
import ssl
import subprocess
import tempfile

from harness import Case, Service, read_exactly, read_to_end


def certificate(folder):
    """A self-signed one for localhost; returns it and its key."""
    names = [os.path.join(folder, name) for name in ("certificate.pem", "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", names[0], "-keyout", names[1]],
        check=True, capture_output=True)
    return names


class Sealed(Case):
    service = "echo"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.certificate, cls.key = certificate(cls.folder.name)
        cls.arguments = ("--certificate", cls.certificate, "--key", cls.key)
        cls.context = ssl.create_default_context(cafile=cls.certificate)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def sealed(self, service):
        return self.start(service, *self.arguments)

    def peer(self, server):
        peer = self.context.wrap_socket(server.connect(), server_hostname="localhost")
        self.addCleanup(peer.close)
        return peer

    # MARK: Real clients

    def test_curl(self):
        for form in ("http", "http-async"):
            url = f"https://localhost:{self.sealed(form).port}"
            run = subprocess.run(
                ["curl", "-sv", "--max-time", "10", "--cacert", self.certificate, f"{url}/hello", f"{url}/health"],
                capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stdout), (0, 'Hello, world!\n{"healthy":true}\n'), run.stderr)
            self.assertIn("Re-using existing connection", run.stderr)
            self.assertRegex(run.stderr, "SSL connection using TLSv1.3")
            run = subprocess.run(
                ["curl", "-s", "-i", "--max-time", "10", "--cacert", self.certificate, "--data-binary", "@-", f"{url}/hello"],
                input=bytes(1_000_000), capture_output=True)
            self.assertIn(b" 405 ", re.findall(rb"HTTP/1.1.*", run.stdout)[-1])
            run = subprocess.run(["curl", "-s", f"{url}/hello"], capture_output=True)
            self.assertEqual(run.returncode, 60)  # nobody has vouched for it

    def test_wrk(self):
        for form in ("http", "http-async"):
            run = subprocess.run(
                ["wrk", "-t", "1", "-c", "50", "-d", "1", f"https://localhost:{self.sealed(form).port}/hello"],
                capture_output=True, text=True, timeout=30)
            self.assertGreater(int(re.search(r"(\d+) requests in", run.stdout).group(1)), 100)
            self.assertNotIn("errors", run.stdout)
            self.assertNotIn("Non-2xx", run.stdout)

    def test_redis(self):
        port = str(self.sealed("kv").port)
        tls = ["--tls", "--cacert", self.certificate, "-h", "localhost", "-p", port]
        for words, said in ((["SET", "a", "1"], "OK"), (["INCR", "a"], "2"), (["GET", "a"], "2")):
            run = subprocess.run(["redis-cli", *tls, *words], capture_output=True, text=True, timeout=10)
            self.assertEqual((run.returncode, run.stdout.strip()), (0, said), run.stderr)
        run = subprocess.run(
            ["redis-benchmark", *tls, "-q", "-c", "20", "-n", "5000", "-P", "16", "-t", "set,get"],
            capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stdout, r"GET: .*requests per second")

    def test_handshakes(self):
        """openssl s_time opens connections for two seconds, anew and with sessions."""
        for how in ("-new", "-reuse"):
            run = subprocess.run(
                ["openssl", "s_time", "-connect", f"127.0.0.1:{self.server.port}", "-CAfile", self.certificate, "-time", "2", how],
                capture_output=True, text=True, timeout=30)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertGreater(int(re.search(r"(\d+) connections in \d+ real", run.stdout).group(1)), 50, run.stdout)

    # MARK: Bytes

    def test_every_byte_comes_back(self):
        peer = self.peer(self.server)
        for size in (1, 100, 16_384, 16_385, 300_000):
            message = os.urandom(size)
            peer.sendall(message)
            self.assertEqual(read_exactly(peer, size), message)
        peer.unwrap()  # close_notify, and the server's

    def test_in_the_clear_there_is_nothing(self):
        peer = self.connect()
        peer.sendall(b"hello\n")
        self.assertNotIn(b"hello", read_to_end(peer))
        self.assertEqual(self.peer(self.server).version(), "TLSv1.3")

    def test_a_peer_that_resets_ends_nobody_else(self):
        for _ in range(50):
            peer = self.context.wrap_socket(self.server.connect(), server_hostname="localhost")
            peer.sendall(b"x" * 100_000)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        peer = self.peer(self.server)
        peer.sendall(b"hello")
        self.assertEqual(read_exactly(peer, 5), b"hello")

    def test_wrong_files_are_named(self):
        for arguments, named in ((("--certificate", "/nowhere.pem", "--key", self.key), "/nowhere.pem"),
                                 (("--certificate", self.certificate, "--key", self.certificate), "the key cannot be read")):
            with self.assertRaises(RuntimeError) as raised:
                Service("echo", self.driver, *arguments)
            self.assertIn(named, str(raised.exception))
