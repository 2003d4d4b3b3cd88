#!/usr/bin/env python3
"""Compares services of Examples/ with the servers that people know, on one core: the key-value server with Redis, the
web server with nginx and Hummingbird, the relay with HAProxy and with nginx.

All servers of a comparison are up at once, and their loads take turns of --turn-ms (`turns.py`). The servers have one
CPU, the loads another one; the relays' upstream servers share the loads'. Printed are the medians of the ratios with
their quartiles: throughput, where more is better, and CPU per request, where less is. A server whose core was not busy
all the time waited for its load: then the throughputs say little, and CPU per request says more.

  bench/apps.py                                 everything: about 4 minutes
  bench/apps.py --only kv --rounds 100 --driver epoll

Needs two CPUs, the builds of `make bench-apps` and what `.ci/deps apps` installs. Exit status: 0, 1 when a server or a
load failed, 2 for bad usage.
"""
import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

import turns

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IOCP = os.path.join(ROOT, ".build", "release", "iocp")
EXAMPLES = os.path.join(ROOT, "Examples", ".build", "release")
# Built by `make bench-apps`; where it could not be, it is left out.
HUMMINGBIRD = os.path.join(ROOT, "bench", ".build", "hummingbird", "release", "http-hummingbird")
STREAM_MODULE = next((path for path in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
                      if os.path.exists(f"{path}/ngx_stream_module.so")), None)
ENVIRONMENT = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")


class Bench:
    """Where the processes of one comparison run, and their end."""

    def __init__(self, arguments, folder):
        self.driver, self.folder = arguments.driver, folder
        self.server_cpu, self.load_cpu = arguments.cpus.split(",")
        self.processes = []

    def start(self, cpu, command, **options):
        self.processes.append(subprocess.Popen(["taskset", "-c", cpu, *command], env=ENVIRONMENT, text=True, **options))
        return self.processes[-1]

    def end(self):
        for process in self.processes[::-1]:
            turns.end(process)

    def listening(self, cpu, *command):
        """Starts a server of this library on a free port, and returns its process and that port."""
        process = self.start(cpu, [*command, "--driver", self.driver, "--port", "0"], stdout=subprocess.PIPE)
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            raise turns.Failure(f"{command[0]} did not start")
        return process, int(line.split()[2].rsplit(":", 1)[1])

    def example(self, name, *arguments):
        return self.listening(self.server_cpu, os.path.join(EXAMPLES, name), *arguments)

    def known(self, port, *command):
        """Starts a server that is told its port, and waits for it."""
        process = self.start(self.server_cpu, command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return process
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise turns.Failure(f"{command[0]} did not start")

    def load(self, *command):
        return self.start(self.load_cpu, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def received_bytes(process):
    """What a server of this library has received, from its counters."""
    text = subprocess.run([IOCP, "stats", "--json", "--pid", str(process.pid)], capture_output=True, text=True)
    if text.returncode != 0:
        raise turns.Failure(f"a server is gone: {text.stderr.strip()}")
    return json.loads(text.stdout)["total"]["received_bytes"]


# MARK: Key-value servers, with redis-benchmark: GET, 50 connections, 16 outstanding on each


class KeyValue(turns.Side):
    REQUEST = len("*2\r\n$3\r\nGET\r\n$16\r\nkey:__rand_int__\r\n")

    def __init__(self, bench, name):
        super().__init__(name, None, None)
        if name == "iocp":
            self.server, self.port = bench.example("kv")
        else:
            self.port = free_port()
            self.server = bench.known(
                self.port, "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--daemonize", "no", "--dir", bench.folder)
        benchmark = ["redis-benchmark", "-p", str(self.port), "-P", "16", "-c", "50", "-q"]
        subprocess.run([*benchmark, "-t", "set", "-n", "1000"], stdout=subprocess.DEVNULL, check=True)
        self.load = bench.load(*benchmark, "-t", "get", "-n", "2000000000")

    def count(self):
        if self.name == "iocp":
            return received_bytes(self.server) / self.REQUEST
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"INFO stats\r\n")
            text = peer.recv(1 << 16)
        return int(re.search(rb"total_net_input_bytes:(\d+)", text).group(1)) / self.REQUEST


# MARK: Web servers, with wrk: GET of 14 bytes, 100 connections, one outstanding on each


class Web(turns.Side):
    def __init__(self, bench, name):
        super().__init__(name, None, None)
        if name == "iocp":
            self.server, self.port = bench.example("http")
        elif name == "hummingbird":
            self.port = free_port()
            self.server = bench.known(self.port, HUMMINGBIRD, str(self.port))
        else:
            self.port = free_port()
            body = '"Hello, world!\\n"'
            self.server = nginx(bench, self.port, f"""
                http {{
                    access_log off; server_tokens off; default_type text/plain;
                    keepalive_requests 1000000000; keepalive_timeout 1h;
                    client_body_temp_path {bench.folder}/body; proxy_temp_path {bench.folder}/proxy;
                    fastcgi_temp_path {bench.folder}/fastcgi; uwsgi_temp_path {bench.folder}/uwsgi;
                    scgi_temp_path {bench.folder}/scgi;
                    server {{
                        listen 127.0.0.1:{self.port};
                        location = /hello {{ return 200 {body}; }}
                        location = /status {{ stub_status; }}
                    }}
                }}""")
        url = f"http://127.0.0.1:{self.port}/hello"
        self.request = len(f"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n")
        self.load = bench.load("wrk", "-t", "1", "-c", "100", "-d", "3600", url)

    def count(self):
        if self.name == "iocp":
            return received_bytes(self.server) / self.request
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: peer.recv(1 << 16), b""))
        return int(text.split(b"requests")[1].split()[2] if self.name == "nginx" else text.split()[-1])


def nginx(bench, port, blocks):
    """One worker, and the master that watches it."""
    module = f"load_module {STREAM_MODULE}/ngx_stream_module.so;" if STREAM_MODULE and "stream {" in blocks else ""
    path = bench.write(f"nginx-{port}.conf", f"""{module}
        daemon off; worker_processes 1; error_log stderr crit; pid {bench.folder}/nginx-{port}.pid;
        events {{ worker_connections 4096; }}{blocks}""")
    return bench.known(port, "nginx", "-p", bench.folder, "-e", "stderr", "-c", path)


# MARK: Relays, with `iocp stress` before and `iocp serve` behind them


class Relay(turns.Side):
    """A request is so many bytes there and back."""

    OPTIONS, UNIT = [], 1

    def __init__(self, bench, name):
        super().__init__(name, None, None)
        self.upstream, behind = bench.listening(
            bench.load_cpu, IOCP, "serve", "--host", "127.0.0.1", "--workers", "1")
        if name == "iocp":
            self.server, port = bench.example("relay", "--to", f"127.0.0.1:{behind}")
        else:
            port = free_port()
            if name == "nginx":
                self.server = nginx(bench, port, f"""
                    stream {{
                        server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{behind}; proxy_timeout 1h; }}
                    }}""")
            else:
                path = bench.write("haproxy.cfg", f"""
global
    nbthread 1
    maxconn 4096
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{port}
    server upstream 127.0.0.1:{behind}
""")
                self.server = bench.known(port, "haproxy", "-db", "-f", path)
        self.load = bench.load(
            IOCP, "stress", "--host", "127.0.0.1", "--port", str(port), "--duration", "3600", *self.OPTIONS)

    def count(self):
        return received_bytes(self.upstream) / self.UNIT


class RelayMessages(Relay):
    OPTIONS, UNIT = ["--connections", "100", "--size", "64"], 64


class RelayBytes(Relay):
    OPTIONS, UNIT = ["--connections", "10", "--size", "262144"], 65_536


WORKLOADS = {
    "kv": (KeyValue, ["redis"]),
    "http": (Web, ["nginx", "hummingbird"]),
    "relay-messages": (RelayMessages, ["haproxy", "nginx"]),
    "relay-bytes": (RelayBytes, ["haproxy", "nginx"]),
}


def compare(workload, arguments):
    kind, others = WORKLOADS[workload]
    if "hummingbird" in others and not os.access(HUMMINGBIRD, os.X_OK):
        print(f"{workload:15} hummingbird is not built: make bench-apps builds it", flush=True)
        others = [name for name in others if name != "hummingbird"]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the worker of nginx gives up root
        bench = Bench(arguments, folder)
        try:
            sides = []
            for name in ["iocp", *others]:
                sides.append(kind(bench, name))
                sides[-1].settle()
            taken = turns.take_turns(sides, arguments.rounds, arguments.turn_ms / 1000)
        finally:
            bench.end()
    for other in others:
        row = f"{workload:15} {other:11}"
        row += "".join(turns.spread(figure, taken["iocp"], taken[other], 2) for figure in (turns.rate, turns.cpu_ns))
        print(row + turns.work(taken["iocp"]) + turns.work(taken[other]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="one comparison; may be repeated")
    turns.add_options(parser)
    arguments = parser.parse_args()
    turns.check_options(parser, arguments)
    for path in (IOCP, os.path.join(EXAMPLES, "kv")):
        if not os.access(path, os.X_OK):
            parser.error(f"{path} is missing: make bench-apps builds it")
    print(f"{'':27} throughput, iocp over it  CPU per request {'iocp: rate, CPU, core busy':>39} {'the other':>29}")
    try:
        for workload in arguments.only or WORKLOADS:
            compare(workload, arguments)
    except (turns.Failure, OSError, subprocess.SubprocessError) as failure:
        print(f"apps: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
