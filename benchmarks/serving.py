"""How fast the local page answers: the list of 1,000 runs, asked one request after the other on one connection.

python benchmarks/serving.py     requests a second, milliseconds of CPU of the server for each, size of the page

The goal is 200 requests a second. CPU time is what compares between machines and busy hours: the client and other work
share the cores.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

RUNS, REQUESTS, ROUNDS = 1000, 400, 5


def runs(folder: Path) -> None:
    """Run folders without weights."""
    for number in range(RUNS):
        run = folder / f"mlp-{number}"
        run.mkdir()
        config = {"name": "mlp", "config": {"hidden": [number]}, "settings": {"data": "digits", "seed": number}}
        best = {"metric": "valid/error", "value": 1 / (number + 1), "step": 40}
        status = {"state": "done", "step": 60, "steps": 60, "best": best}
        (run / "config.json").write_text(json.dumps(config))
        (run / "status.json").write_text(json.dumps(status))


def cpu_seconds(process: int) -> float:
    """User and system time of a process, on Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


with tempfile.TemporaryDirectory() as place:
    runs(Path(place))
    command = [sys.executable, "-m", "deepcanon", "serve", place, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = urlsplit(server.stdout.readline().strip())
        line = http.client.HTTPConnection(address.hostname, address.port)
        for _ in range(ROUNDS):
            before, began = cpu_seconds(server.pid), time.perf_counter()
            for _ in range(REQUESTS):
                line.request("GET", address.path)
                size = len(line.getresponse().read())
            rate = REQUESTS / (time.perf_counter() - began)
            spent = 1000 * (cpu_seconds(server.pid) - before) / REQUESTS
            print(f"{rate:6.0f} requests a second, {spent:.2f} ms of CPU each, {size:,} bytes", flush=True)
    finally:
        server.terminate()
        server.wait(10)
