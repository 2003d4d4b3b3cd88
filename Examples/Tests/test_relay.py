import hashlib
import random
import socket
import threading

from harness import Case, Hostile, Service, is_silent, read_exactly, read_to_end, reset


class Relay(Hostile, Case):
    forms = ("relay", "relay-async")
    conversation = bytes(range(256)) * 40

    @classmethod
    def setUpClass(cls):
        cls.upstream = socket.create_server(("127.0.0.1", 0), backlog=512)
        cls.upstream.settimeout(10)
        cls.arguments = ("--to", f"127.0.0.1:{cls.upstream.getsockname()[1]}")
        cls.echo = Service("echo", cls.driver)
        cls.echo_relay = Service(cls.service, cls.driver, "--to", f"127.0.0.1:{cls.echo.port}")
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()
        super().tearDownClass()
        for server in (cls.echo_relay, cls.echo):
            server.end()

    def connect(self, server=None):
        """Strangers reach an echo behind a relay."""
        return super().connect(server or self.echo_relay)

    def check_health(self):
        peer = self.connect()
        peer.sendall(b"hello")
        self.assertEqual(read_exactly(peer, 5), b"hello")

    def pair(self):
        """A client, and what it is connected to behind the relay."""
        client = self.connect(self.server)
        upstream, _ = self.upstream.accept()
        upstream.settimeout(10)
        self.addCleanup(upstream.close)
        return client, upstream

    def test_32_mib_each_way_at_once(self):
        pair = self.pair()
        streams = [random.Random(seed).randbytes(32 << 20) for seed in (1, 2)]
        digests = [None, None]

        def send(index):
            pair[index].sendall(streams[index])
            pair[index].shutdown(socket.SHUT_WR)

        def receive(index):
            digest = hashlib.md5()
            while piece := pair[index].recv(1 << 18):
                digest.update(piece)
            digests[1 - index] = digest.hexdigest()

        threads = [threading.Thread(target=work, args=(index,)) for work in (send, receive) for index in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(digests, [hashlib.md5(stream).hexdigest() for stream in streams])

    def test_each_direction_has_its_own_end(self):
        for first, second in ((0, 1), (1, 0)):
            pair = self.pair()
            pair[first].sendall(b"question")
            pair[first].shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(pair[second]), b"question")
            for _ in range(3):
                pair[second].sendall(b"answer")
                self.assertEqual(read_exactly(pair[first], 6), b"answer")
            self.assertTrue(is_silent(pair[first]))
            pair[second].sendall(bytes(3 << 20))
            pair[second].shutdown(socket.SHUT_WR)
            self.assertEqual(len(read_to_end(pair[first])), 3 << 20)

    def test_clients_that_end_before_upstream_answers_are_heard(self):
        clients = [self.connect(self.server) for _ in range(50)]
        for index, client in enumerate(clients):
            client.sendall(b"%d" % index)
            client.shutdown(socket.SHUT_WR)
        heard = set()
        for _ in clients:
            upstream, _ = self.upstream.accept()
            upstream.settimeout(10)
            heard.add(int(read_to_end(upstream)))
            upstream.sendall(b"heard")
            upstream.close()
        self.assertEqual(heard, set(range(50)))
        for client in clients:
            self.assertEqual(read_to_end(client), b"heard")

    def test_what_is_not_read_is_not_taken(self):
        for first, second in ((0, 1), (1, 0)):
            pair = self.pair()
            message = random.Random(3).randbytes(64 << 20)
            pair[first].settimeout(0.5)
            sent = 0
            try:
                while sent < len(message):
                    sent += pair[first].send(message[sent:sent + (1 << 18)])
            except TimeoutError:
                pass
            # What the sockets of both sides hold, and what the relay does.
            self.assertLess(sent, 32 << 20)
            # The other direction goes on meanwhile.
            pair[second].sendall(b"still here")
            self.assertEqual(read_exactly(pair[first], 10), b"still here")
            received = hashlib.md5(read_exactly(pair[second], sent))
            self.assertEqual(received.digest(), hashlib.md5(message[:sent]).digest())
            pair[first].sendall(b"end")
            self.assertEqual(read_exactly(pair[second], 3), b"end")

    def test_a_reset_is_passed_on(self):
        for first, second in ((0, 1), (1, 0)):
            pair = self.pair()
            pair[first].sendall(b"half a mess")
            self.assertEqual(read_exactly(pair[second], 11), b"half a mess")
            reset(pair[first])
            with self.assertRaises(ConnectionResetError):
                pair[second].recv(1)

    def test_no_upstream(self):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        server = self.start(self.service, "--to", f"127.0.0.1:{port}")
        for _ in range(20):
            try:
                self.assertEqual(read_to_end(super().connect(server)), b"")
            except ConnectionResetError:
                pass  # so soon that connect(2) tells it

    def test_clients_that_leave_before_upstream_answers(self):
        # Of its own, so that what these clients leave behind meets no other test.
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.settimeout(10)
        self.addCleanup(listener.close)
        server = self.start(self.service, "--to", f"127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(100):
            reset(self.connect(server))
        self.connect(server).sendall(b"x")
        said = b""
        while not said:
            upstream, _ = listener.accept()
            upstream.settimeout(10)
            self.addCleanup(upstream.close)
            try:
                said = upstream.recv(1)
            except ConnectionResetError:
                pass  # of a client that has left
        self.assertEqual(said, b"x")

    def test_many_pairs(self):
        pairs = [self.connect() for _ in range(200)]
        for round in range(5):
            for index, peer in enumerate(pairs):
                peer.sendall(bytes([index % 256]) * (round * 100 + 1))
            for index, peer in enumerate(pairs):
                self.assertEqual(read_exactly(peer, round * 100 + 1), bytes([index % 256]) * (round * 100 + 1))
