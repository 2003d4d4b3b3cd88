import signal
import socket
import struct
import time

from harness import Case, Hostile, ending, read_exactly, read_to_end, reset, wait_until

HEARTBEAT = 0.2
STOPPING, MALFORMED, SILENT, NOT_LOGGED_IN, NAME_IN_USE = range(1, 6)
ID_IN_USE, OUT_OF_RANGE, TOO_MANY_ORDERS, UNKNOWN_ORDER = range(1, 5)


def message(kind, number, body=b""):
    return struct.pack(">HcI", 5 + len(body), kind, number) + body


def login(name):
    return message(b"L", 0, name)


def order(number, id, side=b"B", quantity=10, price=99):
    return message(b"O", number, struct.pack(">QcIQ", id, side, quantity, price))


def cancel(number, id):
    return message(b"C", number, struct.pack(">Q", id))


class Gateway(Hostile, Case):
    forms = ("gateway", "gateway-async")
    arguments = ("--heartbeat-ms", str(int(HEARTBEAT * 1000)))
    conversation = login(b"stranger") + order(1, 7) + cancel(2, 7) + message(b"H", 2) + order(4, 8)
    names = 0

    def check_health(self):
        peer, _ = self.log_in()
        peer.sendall(order(1, 1))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))

    def next(self, peer, heartbeats=False):
        """The next message that is no heartbeat, or the next one."""
        while True:
            size = struct.unpack(">H", read_exactly(peer, 2))[0]
            got = read_exactly(peer, size)
            kind, number, body = got[:1], struct.unpack(">I", got[1:5])[0], got[5:]
            if kind != b"H" or heartbeats:
                return kind, number, body

    def expect(self, peer, kind, number, body=b""):
        self.assertEqual(self.next(peer, heartbeats=kind == b"H"), (kind, number, body))

    def log_in(self, name=None, server=None, expecting=1):
        if name is None:
            Gateway.names += 1
            name = b"trader %d" % Gateway.names
        peer = self.connect(server)
        peer.sendall(login(name))
        self.expect(peer, b"W", expecting)
        return peer, name

    def test_orders_and_cancels(self):
        peer, _ = self.log_in()
        peer.sendall(order(1, 70) + order(2, 71, b"S") + cancel(3, 70) + cancel(4, 70) + order(5, 71)
                     + order(6, 72, quantity=0) + order(7, 72, quantity=1_000_001) + order(8, 72, price=0) + order(9, 70))
        ids = [70, 71, 70, 70, 71, 72, 72, 72, 70]
        reasons = [0, 0, 0, UNKNOWN_ORDER, ID_IN_USE, OUT_OF_RANGE, OUT_OF_RANGE, OUT_OF_RANGE, 0]
        for number, (id, reason) in enumerate(zip(ids, reasons), 1):
            body = struct.pack(">Q", id) + (bytes([reason]) if reason else b"")
            self.expect(peer, b"R" if reason else b"A", number, body)

    def test_orders_are_bounded(self):
        peer, _ = self.log_in()
        peer.sendall(b"".join(order(number, number) for number in range(1, 1_002)))
        for number in range(1, 1_001):
            self.expect(peer, b"A", number, struct.pack(">Q", number))
        self.expect(peer, b"R", 1_001, struct.pack(">QB", 1_001, TOO_MANY_ORDERS))

    def test_a_gap_is_asked_for_once(self):
        peer, _ = self.log_in()
        peer.sendall(order(1, 1) + order(3, 3) + order(4, 4) + cancel(5, 1))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        self.expect(peer, b"G", 2)
        peer.sendall(order(2, 2) + order(3, 3) + order(4, 4) + cancel(5, 1) + message(b"H", 9))
        for number, id in ((2, 2), (3, 3), (4, 4), (5, 1)):
            self.expect(peer, b"A", number, struct.pack(">Q", id))
        self.expect(peer, b"G", 6)  # the heartbeat says that 6 to 9 were sent
        peer.sendall(order(6, 6))
        self.expect(peer, b"A", 6, struct.pack(">Q", 6))

    def test_what_came_before_changes_nothing(self):
        peer, _ = self.log_in()
        peer.sendall(order(1, 1) + cancel(2, 1))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        self.expect(peer, b"A", 2, struct.pack(">Q", 1))
        peer.sendall(order(1, 1) + cancel(3, 1))
        self.expect(peer, b"R", 3, struct.pack(">QB", 1, UNKNOWN_ORDER))

    def test_a_session_outlives_its_connection(self):
        peer, name = self.log_in()
        peer.sendall(order(1, 1) + order(2, 2))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        reset(peer)
        again = None

        def is_free():
            nonlocal again
            again = self.connect()
            again.sendall(login(name))
            kind, number, body = self.next(again)
            return (kind, number) == (b"W", 3) or self.assertEqual((kind, body), (b"B", bytes([NAME_IN_USE])))

        wait_until(is_free)
        again.sendall(cancel(3, 2))
        self.expect(again, b"A", 3, struct.pack(">Q", 2))

    def test_a_name_is_used_once(self):
        peer, name = self.log_in()
        other = self.connect()
        other.sendall(login(name))
        self.expect(other, b"B", 0, bytes([NAME_IN_USE]))
        self.assertEqual(read_to_end(other), b"")
        peer.sendall(order(1, 1))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))

    def test_heartbeats(self):
        peer, _ = self.log_in()
        peer.sendall(order(1, 1))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        for _ in range(6):  # twice as long as a silent peer may stay
            self.expect(peer, b"H", 1)
            peer.sendall(message(b"H", 1))

    def test_a_silent_peer_is_disconnected(self):
        for connect in (lambda: self.log_in()[0], self.connect):
            peer, start = connect(), time.monotonic()
            self.expect(peer, b"B", 0, bytes([SILENT]))
            self.assertEqual(read_to_end(peer), b"")
            self.assertGreater(time.monotonic() - start, 2 * HEARTBEAT)
            self.assertLess(time.monotonic() - start, 20 * HEARTBEAT)

    def test_malformed_is_told_and_ends(self):
        for bad in (message(b"X", 0), message(b"L", 0), login(b"n" * 17), message(b"O", 1, bytes(21)), message(b"O", 1),
                    message(b"C", 1, bytes(9)), message(b"H", 1, b"x"), b"\x00\x00", b"\x00\x04abcd",
                    b"\x00\x41" + bytes(65), b"\xff\xff", login(b"again")):
            peer, _ = self.log_in()
            peer.sendall(bad + order(1, 1))
            self.expect(peer, b"B", 0, bytes([MALFORMED]))
            self.assertEqual(read_to_end(peer), b"")
        peer = self.connect()
        peer.sendall(order(1, 1))
        self.expect(peer, b"B", 0, bytes([NOT_LOGGED_IN]))

    def test_a_refusal_is_heard_by_a_client_that_sends_on(self):
        said = ending(self.connect(), order(1, 1) + bytes(2 << 20))
        self.assertEqual(said, message(b"B", 0, bytes([NOT_LOGGED_IN])))

    def test_byte_by_byte(self):
        peer, _ = self.log_in()
        for byte in order(1, 1) + cancel(2, 1):
            peer.sendall(bytes([byte]))
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        self.expect(peer, b"A", 2, struct.pack(">Q", 1))

    def test_half_close(self):
        peer = self.connect()
        peer.sendall(login(b"half") + order(1, 1))
        peer.shutdown(socket.SHUT_WR)
        self.expect(peer, b"W", 1)
        self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        self.assertEqual(read_to_end(peer), b"")

    def test_sigterm_says_good_bye_to_every_session(self):
        server = self.start(self.service, "--heartbeat-ms", "60000")  # nobody is silent for so long
        peers = [self.log_in(server=server)[0] for _ in range(100)]
        for peer in peers:
            peer.sendall(order(1, 1))
        idle = self.connect(server)
        for peer in peers:
            self.expect(peer, b"A", 1, struct.pack(">Q", 1))
        server.process.send_signal(signal.SIGTERM)
        for peer in peers:
            self.expect(peer, b"B", 1, bytes([STOPPING]))
            self.assertEqual(peer.recv(1), b"")  # FIN, not RST
            peer.close()
        self.expect(idle, b"B", 0, bytes([STOPPING]))
        idle.close()
        self.assertEqual(server.process.wait(timeout=5), 0)
        self.assertEqual(server.process.communicate()[1], "")

    def test_a_second_sigterm_ends_it_at_once(self):
        server = self.start(self.service, "--heartbeat-ms", "60000")  # nobody is silent for so long
        peer, _ = self.log_in(server=server)
        server.process.send_signal(signal.SIGTERM)
        self.expect(peer, b"B", 0, bytes([STOPPING]))
        server.process.send_signal(signal.SIGTERM)  # the peer neither reads the end nor closes
        self.assertEqual(server.process.wait(timeout=1.5), -signal.SIGTERM)
        server.process.communicate()
