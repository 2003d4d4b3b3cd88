"""What the tests of the examples share: a service as a process, and peers, also hostile ones."""
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("EXAMPLES_BUILD", os.path.join(ROOT, ".build", "release"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


class Service:
    """A started example. Whatever its peers do, it must live until it is ended here."""

    def __init__(self, name, driver, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, name), "--port", "0", "--driver", driver, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on 127.0.0.1:"):
            self.process.kill()
            raise RuntimeError(f"{name} did not start: {line}{self.process.communicate()[1]}")
        self.port = int(line.rsplit(":", 1)[1])

    def connect(self, timeout=10):
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def end(self, by=signal.SIGKILL, within=10):
        """Returns the exit status and what it said on stderr."""
        status = self.process.poll()
        if status is None:
            self.process.send_signal(by)
        try:
            errors = self.process.communicate(timeout=within)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end within {within} s") from None
        if status is not None:
            raise AssertionError(f"it ended by itself with {status}: {errors}")
        return self.process.returncode, errors


class Case(unittest.TestCase):
    """The tests of one service, on one driver. `run` makes a class of it for each form of the service and each driver."""

    service = ""
    forms = ()  # the programs that do the same, if there are several
    arguments = ()
    driver = ""

    @classmethod
    def setUpClass(cls):
        cls.server = Service(cls.service, cls.driver, *cls.arguments)

    @classmethod
    def tearDownClass(cls):
        status, errors = cls.server.end()
        if errors:
            raise AssertionError(f"{cls.service} complained: {errors}")

    def start(self, name, *arguments):
        """Another service, for this test alone."""
        service = Service(name, self.driver, *arguments)
        self.addCleanup(lambda: service.process.poll() is None and service.end())
        return service

    def connect(self, server=None):
        peer = (server or self.server).connect()
        self.addCleanup(peer.close)
        return peer


class Hostile:
    """What strangers send: mixed into the tests of a service, which says what it understands (`conversation`) and how to see
    that it is well (`check_health`)."""

    def test_garbage(self):
        randomness = random.Random(SEED)
        with self.subTest(seed=SEED):
            for size in [1, 7, 100, 4_096, 100_000]:
                self.pour(randomness.randbytes(size))
                self.pour(bytes(size))
                self.pour(b"\r\n" * (size // 2))
            self.check_health()

    def test_mutated(self):
        randomness = random.Random(SEED + 1)
        with self.subTest(seed=SEED):
            for _ in range(200):
                message = bytearray(self.conversation)
                for _ in range(randomness.choice([1, 1, 2, 5])):
                    message[randomness.randrange(len(message))] = randomness.choice([0, 10, 13, 32, 42, 57, 255])
                self.pour(bytes(message))
            self.check_health()

    def test_truncated(self):
        for end in range(0, len(self.conversation), max(1, len(self.conversation) // 60)):
            self.pour(self.conversation[:end])
        self.check_health()

    def test_reset_in_the_middle(self):
        for end in range(0, len(self.conversation), max(1, len(self.conversation) // 60)):
            peer = self.connect()
            peer.sendall(self.conversation[:end])
            reset(peer)
        self.check_health()

    def test_crowd(self):
        peers = [self.connect() for _ in range(300)]
        for index, peer in enumerate(peers):
            peer.sendall(self.conversation[:index % len(self.conversation)])
        for index, peer in enumerate(peers):
            if index % 3 == 0:
                reset(peer)
            elif index % 3 == 1:
                peer.close()
        self.check_health()

    def pour(self, data):
        """Sends everything and the end, and reads until the other end."""
        peer = self.connect()
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was refused before that
        read_to_end(peer)
        peer.close()

    def send_without_reading(self, data, times, seconds):
        """Sends the data again and again, and reads nothing, until it is all sent, or nothing moves for that time, or the
        connection ends. Returns the peer, which stays open until the test is over."""
        peer = self.connect()
        peer.settimeout(seconds)
        try:
            for _ in range(times):
                peer.sendall(data)
        except OSError:
            pass  # it is held back, or was ended
        return peer


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def read_exactly(peer, count):
    data = bytearray()
    while len(data) < count:
        piece = peer.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise AssertionError(f"the end came after {len(data)} of {count} bytes: {bytes(data[-200:])}")
        data += piece
    return bytes(data)


def read_until(peer, end):
    data = bytearray()
    while not data.endswith(end):
        data += read_exactly(peer, 1)
    return bytes(data)


def read_to_end(peer):
    """Everything until FIN or RST."""
    data = bytearray()
    try:
        while piece := peer.recv(1 << 20):
            data += piece
    except ConnectionError:
        pass
    return bytes(data)


def ending(peer, data):
    """What a peer hears that sends all this at once, if it ends with FIN: a reset would take the last words away."""
    peer.sendall(data)
    said = bytearray()
    while piece := peer.recv(1 << 20):
        said += piece
    return bytes(said)


def is_silent(peer, seconds=0.05):
    return not select.select([peer], [], [], seconds)[0]


def wait_until(condition, within=10):
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it did not come within {within} s")
        time.sleep(0.005)
