#!/usr/bin/env python3
"""Compares the server CPU per full TLS handshake of `iocp serve` and nginx, in neighbouring slices of time.

Both servers are up at once with one worker and one P-256 certificate; `openssl s_time -new` opens connections to them in
turn (`turns.py`). nginx counts by stub_status, iocp by its stats page.

  bench/handshakes.py --iocp .build/release/iocp
  bench/handshakes.py --iocp .build/release/iocp --pairs 60 --driver epoll --tls1_2

Needs nginx, openssl and two CPUs. Exit status: 0, 1 when a server or a load failed, 2 for bad usage.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import turns

NGINX = """daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off; ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;
  scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} ssl; return 200; }}
  server {{ listen 127.0.0.1:{status_port}; location / {{ stub_status; }} }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Server(turns.Side):
    """A server, and the handshakes that a load of its own asks of it."""

    def __init__(self, name, command, port, arguments):
        cpus = arguments.cpus.split(",")
        server = subprocess.Popen(["taskset", "-c", cpus[0], *command], stdout=subprocess.DEVNULL)
        super().__init__(name, server, None)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        self.load = subprocess.Popen(
            ["taskset", "-c", cpus[1], "openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", "3600",
             *(["-tls1_2"] if arguments.tls1_2 else ["-tls1_3"])],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Nginx(Server):
    def __init__(self, folder, arguments):
        port, self.status_port = free_port(), free_port()
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX.format(folder=folder, port=port, status_port=self.status_port))
        super().__init__("nginx", [shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-c", path], port, arguments)

    def count(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/", timeout=10) as answer:
            return int(answer.read().split(b"\n")[2].split()[1])


class IOCP(Server):
    def __init__(self, folder, arguments):
        self.iocp = arguments.iocp
        port = free_port()
        super().__init__("iocp", [
            arguments.iocp, "serve", "--workers", "1", "--driver", arguments.driver, "--host", "127.0.0.1", "--port",
            str(port), "--tls-certificate", f"{folder}/certificate.pem", "--tls-key", f"{folder}/key.pem"], port, arguments)

    def count(self):
        text = subprocess.run([self.iocp, "stats", "--json", "--pid", str(self.server.pid)], capture_output=True, text=True)
        return json.loads(text.stdout)["total"]["handshakes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iocp", required=True)
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll"])
    parser.add_argument("--tls1_2", action="store_true", help="TLS 1.2 instead of 1.3")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--slice-ms", type=int, default=300)
    parser.add_argument("--cpus", default="0,1", help="of the servers, and of the loads")
    arguments = parser.parse_args()
    if not os.access(arguments.iocp, os.X_OK):
        parser.error(f"{arguments.iocp} is no program: build it with swift build -c release --product iocp")
    sides = []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-out", f"{folder}/certificate.pem", "-keyout", f"{folder}/key.pem"], check=True,
            capture_output=True)
        try:
            for make in (Nginx, IOCP):
                sides.append(make(folder, arguments))
                sides[-1].settle()
            taken = turns.take_turns(sides, arguments.pairs, arguments.slice_ms / 1000)
            low, middle, high = turns.ratios(turns.cpu_ns, taken["iocp"], taken["nginx"])
            each = [statistics.median(map(turns.cpu_ns, taken[name])) / 1000 for name in ("nginx", "iocp")]
            print(f"CPU per handshake, iocp over nginx: {middle:.3f} ({low:.3f} to {high:.3f}, {len(taken['iocp'])} pairs); "
                  f"nginx {each[0]:.1f} us, iocp {each[1]:.1f} us")
        except (turns.Failure, OSError) as failure:
            print(f"handshakes: {failure}", file=sys.stderr)
            return 1
        finally:
            for side in sides:
                side.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
