import os
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

from harness import Case, Hostile, read_exactly, read_to_end, read_until, reset, wait_until

# A client of the control channel as another program would be: it says what it is told, and prints what it hears.
CLIENT = """
import os, socket, sys
user, path, words = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
if user: os.setgid(user); os.setuid(user)
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect(path)
    peer.sendall("".join(word + "\\n" for word in words).encode())
    peer.shutdown(socket.SHUT_WR)
    while said := peer.recv(4096): print(said.decode(), end="")
"""
NOBODY = 65_534


class Control(Hostile, Case):
    service = "control"
    conversation = b"stats\nhelp\nnonsense\nresume\nstats\r\nquit\n"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        os.chmod(cls.folder.name, 0o755)
        cls.path = os.path.join(cls.folder.name, "control.sock")
        cls.arguments = ("--control", cls.path)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def another(self):
        path = os.path.join(self.folder.name, "another.sock")
        return self.start("control", "--control", path), path

    def connect(self, server=None):
        """The hostile peers come to the control channel."""
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(10)
        peer.connect(self.path)
        return peer

    def client(self, *words, path=None, user=0):
        run = subprocess.run([sys.executable, "-c", CLIENT, str(user), path or self.path, *words],
                             capture_output=True, text=True, timeout=60)
        return run.stdout, run.stderr

    def ask(self, *words, path=None):
        said, errors = self.client(*words, path=path)
        self.assertEqual(errors, "")
        return said

    def stats(self, path=None):
        return dict(line.split() for line in self.ask("stats", path=path).splitlines()[:-1])

    def check_health(self):
        self.assertEqual(self.ask("stats", "quit").splitlines()[-2:], ["ok", "ok"])

    def lines(self, server=None):
        peer = (server or self.server).connect()
        self.addCleanup(peer.close)
        return peer

    def test_stats_tell_of_the_clients(self):
        server, path = self.another()
        self.assertEqual(self.stats(path), {"state": "listening", "connections": "0", "accepted": "0", "received_bytes": "0"})
        peers = [self.lines(server) for _ in range(3)]
        for peer in peers:
            peer.sendall(b"hello\n")
            self.assertEqual(read_exactly(peer, 6), b"hello\n")
        self.assertEqual(self.stats(path), {"state": "listening", "connections": "3", "accepted": "3", "received_bytes": "18"})
        reset(peers.pop())
        wait_until(lambda: self.stats(path)["connections"] == "2")

    def test_pause_and_resume(self):
        server, path = self.another()
        peer = self.lines(server)
        self.assertEqual(self.ask("pause", "pause", path=path), "ok\nok\n")
        self.assertEqual(self.stats(path)["state"], "paused")
        peer.sendall(b"still here\n")
        self.assertEqual(read_exactly(peer, 11), b"still here\n")
        other = self.lines(server)  # it waits in the backlog, and nobody refuses it
        other.sendall(b"again\n")
        self.assertEqual(self.ask("resume", "resume", path=path), "ok\nok\n")
        self.assertEqual(read_exactly(other, 6), b"again\n")

    def test_stop_ends_it_and_removes_the_path(self):
        server, path = self.another()
        peer = self.lines(server)
        peer.sendall(b"last words\n")
        self.assertEqual(self.ask("stop", path=path), "ok\n")
        self.assertEqual(read_to_end(peer), b"last words\n")
        self.assertEqual(server.process.wait(timeout=10), 0)
        self.assertEqual(server.process.communicate()[1], "")
        self.assertFalse(os.path.exists(path))

    def test_commands(self):
        self.assertEqual(self.ask("help"), "stats, pause, resume, stop, quit\nok\n")
        self.assertEqual(self.ask("nonsense", "", "STOP", "quit", "stop"),
                         "error: unknown command; help lists them\n" * 3 + "ok\n")
        peer = self.connect()
        for byte in b"help\r\nquit\n":
            peer.sendall(bytes([byte]))
        self.assertEqual(read_to_end(peer), b"stats, pause, resume, stop, quit\nok\nok\n")

    def test_a_long_line_is_refused_by_name(self):
        peer = self.connect()
        peer.sendall(b"x" * 300)
        self.assertTrue(read_until(peer, b"\n").startswith(b"error: "))
        self.assertEqual(peer.recv(1), b"")

    def test_only_its_user_may_connect(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, to come as another user")
        self.assertIn("PermissionError", self.client("stats", user=NOBODY)[1])
        os.chmod(self.path, 0o666)
        self.addCleanup(os.chmod, self.path, 0o600)
        said, errors = self.client("stats", "stop", user=NOBODY)
        self.assertIn(f"error: user {NOBODY} may not control this server\n", said + errors)
        self.assertNotIn("ok", said)
        self.check_health()

    def test_a_running_server_keeps_its_path(self):
        other = subprocess.run([self.server.process.args[0], "--control", self.path], capture_output=True, text=True,
                               timeout=10)
        self.assertEqual(other.returncode, 1)
        self.assertIn("EADDRINUSE", other.stderr)
        self.check_health()

    def test_a_client_that_does_not_read_ends_and_nobody_else(self):
        self.send_without_reading(b"stats\n" * 1_000, times=3_000, seconds=2)
        self.check_health()
