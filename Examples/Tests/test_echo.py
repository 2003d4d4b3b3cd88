import random
import socket
import threading

from harness import Case, Hostile, read_exactly, read_to_end


class Echo(Hostile, Case):
    service = "echo"
    conversation = bytes(range(256)) * 4

    def check_health(self):
        peer = self.connect()
        peer.sendall(b"hello")
        self.assertEqual(read_exactly(peer, 5), b"hello")

    def test_bytes_come_back_and_then_the_end(self):
        message = random.Random(1).randbytes(4 << 20)
        peer = self.connect()

        def send():
            peer.sendall(message)
            peer.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        self.assertEqual(read_to_end(peer), message)
        sender.join()
