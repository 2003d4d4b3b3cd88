"""The services that run under service-lifecycle: what an operator, systemd and a load balancer do to them."""
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from harness import BUILD, ROOT, Case, Hostile, Service, read_exactly, wait_until
from test_tls import certificate


class Systemd:
    """A socket that stands for systemd's, and hears what a service tells it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []

    def close(self):
        self.socket.close()
        self.folder.cleanup()

    def hears(self, start, within=10):
        """Waits for a message that begins so."""
        end = time.monotonic() + within
        while not any(message.startswith(start) for message in self.heard):
            if not select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
                return False
            self.heard.append(self.socket.recv(4096).decode())
        return True


class Running(Service):
    """A started service that is set as an operator does it. Its log is on stderr, a line each."""

    def __init__(self, name, driver, *arguments, listen="127.0.0.1:0", environment={}, by=()):
        words = [os.path.join(BUILD, name), "--iocp-driver", driver, *arguments]
        if listen:
            words += ["--iocp-listen-addresses", listen]
        self.lines = []
        self.process = subprocess.Popen(
            [*by, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def line(self, end, within=10):
        """Waits for a line with this message, and returns it."""
        found = lambda: [line for line in self.lines if line.endswith(end)]
        wait_until(lambda: found() or self.process.poll() is not None, within)
        if not found():
            raise AssertionError(f"no line '{end}' in {self.lines}")
        return found()[-1]

    def started(self):
        self.port = int(re.search(r"listener=\S*:(\d+)", self.line("] listening")).group(1))
        return self

    def end(self, by=signal.SIGTERM, within=20):
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end within {within} s: {self.lines}") from None
        self.reader.join(5)
        self.process.stderr.close()
        return status


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Client(threading.Thread):
    """Keeps one order outstanding on a connection, and wants an answer to each until the last."""

    def __init__(self, peer):
        super().__init__(daemon=True)
        self.peer, self.answered, self.lost = peer, 0, None

    def run(self):
        try:
            while True:
                order = struct.pack(">Q", self.answered)
                self.peer.sendall(order)
                answer = read_exactly(self.peer, 9)
                if answer[:8] != order:
                    self.lost = f"{answer} for {order}"
                    return
                self.answered += 1
                if answer[8] == 1:
                    return
        except (OSError, EOFError, AssertionError) as error:
            self.lost = repr(error)
        finally:
            self.peer.close()


class Orders(Hostile, Case):
    service = "orders"
    forms = ("orders", "orders-async")
    conversation = b"".join(struct.pack(">Q", number) for number in range(20))

    @classmethod
    def setUpClass(cls):
        cls.server = Running(cls.service, cls.driver, "--iocp-workers", "2").started()

    @classmethod
    def tearDownClass(cls):
        status = cls.server.end()
        if status:
            raise AssertionError(f"{cls.service} ended with {status}: {cls.server.lines}")

    def running(self, *arguments, **options):
        service = Running(self.service, self.driver, *arguments, **options)
        self.addCleanup(lambda: service.process.poll() is None and service.end(signal.SIGKILL))
        return service

    def systemd(self):
        systemd = Systemd()
        self.addCleanup(systemd.close)
        return systemd

    def check_health(self):
        with self.server.connect() as peer:
            peer.sendall(b"12345678")
            self.assertEqual(read_exactly(peer, 9), b"12345678\0")

    # MARK: A stop that loses nothing

    def stop_under_load(self, service, connect):
        """Returns the orders that were answered."""
        clients = [Client(connect()) for _ in range(40)]
        for client in clients:
            client.start()
        time.sleep(1)
        start = time.monotonic()
        status = service.end()
        took = time.monotonic() - start
        for client in clients:
            client.join(5)
        self.assertEqual((status, [client.lost for client in clients if client.lost]), (0, []), service.lines)
        self.assertFalse([client for client in clients if client.is_alive()])
        self.assertLess(took, 5)
        service.line("] stopped")
        return sum(client.answered for client in clients)

    def test_term_under_load(self):
        service = self.running("--iocp-workers", "1").started()
        self.assertGreater(self.stop_under_load(service, service.connect), 1_000)

    def test_term_under_load_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            files = certificate(folder)
            context = ssl.create_default_context(cafile=files[0])
            service = self.running(
                "--iocp-workers", "1", "--iocp-tls-certificate-files", files[0], "--iocp-tls-key-files", files[1]).started()
            self.assertIn("tls=true", service.line("] listening"))
            connect = lambda: context.wrap_socket(service.connect(), server_hostname="localhost")
            self.assertGreater(self.stop_under_load(service, connect), 500)

    def test_interrupt_ends_at_once(self):
        service = self.running().started()
        with service.connect() as peer:
            peer.sendall(b"1234")
            start = time.monotonic()
            service.end(signal.SIGINT)
            self.assertLess(time.monotonic() - start, 5)

    def test_the_drain_ends_who_asks_nothing_more(self):
        service = self.running("--iocp-drain", "500ms").started()
        with service.connect() as peer:
            peer.sendall(b"12345678")
            read_exactly(peer, 9)
            start = time.monotonic()
            self.assertEqual(service.end(), 0)
            self.assertLess(time.monotonic() - start, 5)

    # MARK: systemd

    def test_notifications(self):
        systemd = self.systemd()
        service = self.running(environment={"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "1000000"}).started()
        self.assertTrue(systemd.hears("READY=1\nSTATUS="))
        self.assertTrue(systemd.hears("WATCHDOG=1"))
        self.assertEqual(service.end(), 0)
        self.assertTrue(systemd.hears("STOPPING=1\n"))
        self.assertFalse(systemd.hears("nothing else", within=0.1))
        self.assertLess(
            [message[:5] for message in systemd.heard].index("READY"),
            [message[:5] for message in systemd.heard].index("STOPP"))

    def test_socket_activation(self):
        port = free_port()
        for _ in range(2):  # the second instance takes over the same address
            service = self.running(
                listen=None, by=("systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=orders"))
            wait_until(lambda: any("Listening on" in line for line in service.lines), 10)
            service.port = port
            with service.connect() as peer:
                peer.sendall(b"12345678")
                self.assertEqual(read_exactly(peer, 9), b"12345678\0")
            self.assertIn(f"listener=127.0.0.1:{port}", service.line("] listening"))
            self.assertEqual(service.end(), 0)

    def test_units(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("orders.service", "orders.socket"):
                with open(os.path.join(ROOT, "systemd", name)) as unit:
                    text = unit.read().replace("/usr/local/bin/orders", os.path.join(BUILD, "orders"))
                with open(os.path.join(folder, name), "w") as unit:
                    unit.write(text)
            path = os.path.join(folder, "orders.service")
            run = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            run = subprocess.run(
                ["systemd-analyze", "security", "--offline=yes", "--threshold=20", path], capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stdout[-300:])

    # MARK: Operators

    def test_health(self):
        port = free_port()
        service = self.running("--iocp-health", f"127.0.0.1:{port}", "--iocp-stop-delay", "2s").started()
        ask = lambda path: subprocess.run(
            ["curl", "-s", "-m", "5", "-w", "%{http_code}", f"http://127.0.0.1:{port}{path}"],
            capture_output=True, text=True).stdout
        self.assertEqual([ask("/livez"), ask("/readyz"), ask("/")[-3:]], ["ok\n200", "ok\n200", "404"])
        service.process.send_signal(signal.SIGTERM)
        service.line("] stopping")
        self.assertEqual([ask("/livez"), ask("/readyz")], ["ok\n200", "stopping\n503"])
        with service.connect() as peer:  # it is not ready, and still accepts
            peer.sendall(b"12345678")
            self.assertEqual(read_exactly(peer, 9), b"12345678\0")
        self.assertEqual(service.end(), 0)

    def test_reload(self):
        with tempfile.TemporaryDirectory() as folder:
            files = certificate(folder)
            service = self.running(
                "--iocp-tls-certificate-files", files[0], "--iocp-tls-key-files", files[1]).started()

            def shown():
                context = ssl._create_unverified_context()
                with context.wrap_socket(service.connect()) as peer:
                    return peer.getpeercert(binary_form=True)

            before = shown()
            self.assertEqual(before, shown())
            certificate(folder)
            self.assertEqual(before, shown())
            service.process.send_signal(signal.SIGHUP)
            service.line("] settings were read again")
            after = shown()
            self.assertNotEqual(before, after)
            with open(files[0], "w") as file:
                file.write("nonsense")
            service.process.send_signal(signal.SIGHUP)
            service.line("and stay as they were")
            self.assertEqual(after, shown())
            self.assertEqual(service.end(), 0)

    def test_settings(self):
        """Each source, and what is wrong with it: one line, and status 1."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "settings.json")
            with open(path, "w") as file:
                json.dump({"iocp": {"workers": 2, "listen": {"addresses": [f"unix:{folder}/orders.sock", "127.0.0.1:0"]}}}, file)
            service = self.running("--iocp-file", path, listen=None, environment={"IOCP_CONNECTIONS_PER_WORKER": "100"})
            wait_until(lambda: len([line for line in service.lines if line.endswith("] listening")]) == 2, 10)
            self.assertTrue(all("workers=2" in line for line in service.lines[:2]), service.lines)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(f"{folder}/orders.sock")
                peer.sendall(b"12345678")
                self.assertEqual(read_exactly(peer, 9), b"12345678\0")
            self.assertEqual(service.end(), 0)
            with open(path, "w") as file:
                file.write('{"iocp": {"wokers": 2}}')
            for arguments, environment, said in (
                    (["--iocp-file", path], {}, f"iocp.wokers in {path} is no setting"),
                    (["--iocp-wokers", "2"], {}, "--iocp-wokers is no setting"),
                    ([], {"IOCP_WOKERS": "2"}, "IOCP_WOKERS is no setting"),
                    (["--iocp-workers", "many"], {}, 'iocp.workers is "many", and may be a number, at most 1,024'),
                    (["--iocp-receive-buffer-bytes", "5KiB"], {}, "a power of two, 4,096 to 1,048,576"),
                    (["--iocp-tls-key-files", "key.pem"], {}, "means nothing without iocp.tls.certificateFiles"),
                    (["--iocp-tls-certificate-files", "/none.pem", "--iocp-tls-key-files", "/none.pem"], {}, "/none.pem"),
                    (["--iocp-listen-addresses", "4666"], {}, 'iocp.listen.addresses is "4666", and may be HOST:PORT')):
                service = self.running(*arguments, listen=None, environment=environment)
                self.assertEqual(service.end(by=0), 1)
                told = [line for line in service.lines if line.startswith(self.service + ": ")]
                self.assertEqual(len(told), 1, service.lines)
                self.assertIn(said, told[0])

    def test_help(self):
        run = subprocess.run([os.path.join(BUILD, self.service), "--help"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0)
        self.assertIn("--iocp-listen-addresses, IOCP_LISTEN_ADDRESSES", run.stdout)
