"""Memory of a server and of the kernel, for `million.py`."""
import threading
import time


def meminfo():
    """Bytes, by name."""
    with open("/proc/meminfo") as file:
        return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}


def user_bytes(pid):
    """Memory that is the process' own: neither its program's files nor what it shares with others."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


class Sampler(threading.Thread):
    """A sample each second, and whenever one is asked for."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.samples, self.ends = pid, [], threading.Event()

    def take(self):
        found = meminfo()
        kernel = found["Slab"] + found["KernelStack"] + found["PageTables"] + found.get("Percpu", 0)
        sample = {"at": time.monotonic(), "user": user_bytes(self.pid), "kernel": kernel, "available": found["MemAvailable"]}
        self.samples.append(sample)
        return sample

    def run(self):
        while not self.ends.wait(1):
            try:
                self.take()
            except OSError:
                return  # the server is gone, which whoever waits for the load hears

    def stop(self):
        self.ends.set()
        self.join()
