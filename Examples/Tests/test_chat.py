import signal
import socket

from harness import Case, Hostile, ending, is_silent, read_exactly, read_to_end, read_until, reset


class Chat(Hostile, Case):
    service = "chat"
    conversation = b"/nick a\n/join lobby\nhello\n/who\r\n/leave\n/nonsense\nnobody\n"
    rooms = 0

    def check_health(self):
        peer = self.member()
        peer.sendall(b"/join health\nwell\n")
        self.assertIn(b"joins health", read_until(peer, b"\n"))
        self.assertTrue(read_until(peer, b"\n").endswith(b": well\n"))

    def line(self, peer):
        return read_until(peer, b"\n").decode()[:-1]

    def member(self, name=None, room=None, server=None):
        peer = self.connect(server)
        self.assertIn("* you are guest", self.line(peer))
        if name:
            peer.sendall(f"/nick {name}\n".encode())
            self.assertTrue(self.line(peer).endswith(f" is {name} now"))
        if room:
            peer.sendall(f"/join {room}\n".encode())
            self.assertIn(f"* {name} joins {room}, where ", self.line(peer))
        return peer

    def room(self, *names, server=None):
        """A new room, with members of names that end with its number."""
        Chat.rooms += 1
        members = []
        for name in names:
            members.append(self.member(f"{name}{Chat.rooms}", f"room{Chat.rooms}", server))
            for other in members[:-1]:
                self.assertIn("joins", self.line(other))
        return Chat.rooms, members

    def test_lines_go_to_the_room_and_nowhere_else(self):
        number, (ada, bob) = self.room("ada", "bob")
        _, (eve,) = self.room("eve")
        ada.sendall("grüße 🙂\nagain\r\n".encode())
        for peer in (ada, bob):
            self.assertEqual([self.line(peer) for _ in range(2)], [f"ada{number}: grüße 🙂", f"ada{number}: again"])
        self.assertTrue(is_silent(eve))
        bob.sendall(b"/who\n")
        self.assertEqual(self.line(bob), f"* here: ada{number} bob{number}")
        bob.sendall(b"/leave\nalone\n")
        self.assertEqual(self.line(ada), f"* bob{number} leaves room{number}")
        self.assertEqual(self.line(bob), "! you are in no room: /join ROOM")

    def test_names_are_used_once(self):
        number, (ada, bob) = self.room("ada", "bob")
        bob.sendall(f"/nick ada{number}\n".encode())
        self.assertEqual(self.line(bob), f"! ada{number} is taken")
        ada.sendall(f"/nick eve{number}\n".encode())
        self.assertEqual(self.line(bob), f"* ada{number} is eve{number} now")
        bob.sendall(f"/nick ada{number}\n".encode())
        self.assertEqual(self.line(bob), f"* bob{number} is ada{number} now")

    def test_who_goes_is_told(self):
        number, (ada, bob, eve) = self.room("ada", "bob", "eve")
        reset(bob)
        self.assertEqual(self.line(ada), f"* bob{number} leaves room{number}")
        self.assertEqual(self.line(eve), f"* bob{number} leaves room{number}")
        eve.sendall(b"/quit\nnot said\n")
        self.assertEqual(read_to_end(eve), b"* good-bye\n")
        self.assertEqual(self.line(ada), f"* eve{number} leaves room{number}")
        self.assertTrue(is_silent(ada))
        again = self.member(f"bob{number}")  # the name is free
        again.close()

    def test_half_close(self):
        peer = self.connect()
        peer.sendall(b"/join half\nlast words\n")
        peer.shutdown(socket.SHUT_WR)
        self.assertTrue(read_to_end(peer).endswith(b": last words\n"))

    def test_what_a_terminal_obeys_is_no_part_of_a_line(self):
        number, (ada, bob) = self.room("ada", "bob")
        ada.sendall(b"\x1b[2J\x07\x00\xff \xc2\x9b31m\n")
        self.assertEqual(self.line(bob), f"ada{number}: ?[2J??\ufffd ?31m")

    def test_long_lines_end_their_member(self):
        number, (ada, bob) = self.room("ada", "bob")
        ada.sendall(b"x" * 1_000 + b"\n")
        self.assertEqual(self.line(bob), f"ada{number}: " + "x" * 1_000)
        self.line(ada)
        ada.sendall(b"x" * 1_003 + b"\n")
        self.assertEqual(self.line(ada), "! a line has at most 1000 bytes")
        self.assertEqual(read_to_end(ada), b"")
        self.assertEqual(self.line(bob), f"* ada{number} leaves room{number}")
        bob.sendall(b"/nick " + b"n" * 33 + b"\n/nick\n/nick a b\n")
        for _ in range(3):
            self.assertTrue(self.line(bob).startswith("! /nick NAME"))

    def test_a_refusal_is_heard_by_a_client_that_sends_on(self):
        said = ending(self.connect(), b"/quit\n" + b"more\n" * 400_000)
        self.assertTrue(said.endswith(b"* good-bye\n") and said.count(b"\n") == 2, said)

    def test_byte_by_byte(self):
        number, (ada, bob) = self.room("ada", "bob")
        for byte in b"one at a time\r\n":
            ada.sendall(bytes([byte]))
        self.assertEqual(self.line(bob), f"ada{number}: one at a time")

    def test_a_member_that_does_not_read_misses_lines_and_is_told(self):
        number, (ada, bob) = self.room("ada", "bob")
        slow = socket.socket()
        self.addCleanup(slow.close)
        slow.settimeout(10)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", self.server.port))
        slow.sendall(f"/join room{number}\n".encode())
        for peer in (ada, bob):
            self.assertIn("joins", self.line(peer))
        for _ in range(2):
            self.line_of(slow)
        expected = f"ada{number}: {'x' * 900}\n".encode()
        count = 8_000
        for _ in range(count // 50):  # 7 MB: more than the sockets take, and the 256 KiB that may wait
            ada.sendall((b"x" * 900 + b"\n") * 50)
            for peer in (ada, bob):
                self.assertEqual(read_exactly(peer, 50 * len(expected)), expected * 50)
        heard = 0
        while (line := self.line_of(slow)).startswith(b"ada"):
            heard += 1
        self.assertEqual(line, b"! you missed %d lines" % (count - heard))
        self.assertGreater(count - heard, 500)
        ada.sendall(b"back\n")
        self.assertEqual(self.line_of(slow), f"ada{number}: back".encode())

    def line_of(self, peer):
        """Reads ahead, for a member to whom much was said."""
        buffer = getattr(self, "buffer", b"")
        while b"\n" not in buffer:
            buffer += peer.recv(1 << 20)
        line, self.buffer = buffer.split(b"\n", 1)
        return line

    def test_sigterm_says_good_bye(self):
        server = self.start("chat")
        _, members = self.room("ada", "bob", server=server)
        server.process.send_signal(signal.SIGTERM)
        for peer in members:
            self.assertEqual(self.line(peer), "* the server stops")
            self.assertEqual(peer.recv(1), b"")
            peer.close()
        self.assertEqual(server.process.wait(timeout=5), 0)
        self.assertEqual(server.process.communicate()[1], "")
