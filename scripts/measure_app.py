"""Start the app as a user would and measure it: time to the first answer, latency of the latent map, memory.

    python scripts/measure_app.py

Prints a Markdown table. "Alone" and "busy": pointer-to-picture time of the latent map at the server, without and with
another visitor who generates in a loop. PixelCNN, diffusion: from the request for 16 digits to what is shown of them, step
by step: the first row; the noise that sampling begins with, and what the network sees in it; the last.
Memory: resident size of the process after every model of all tabs was used.
"""

import contextlib
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import httpx
import psutil
from gradio_client import Client

ROOT = Path(__file__).resolve().parent.parent
POINTS, WATCHED = 200, 10


def main() -> None:
    start = time.perf_counter()
    with running_app() as (address, process):
        seconds = wait_for_answer(address, start)
        client = Client(address, verbose=False)
        use_every_model(client)
        megabytes = psutil.Process(process.pid).memory_info().rss / 1e6
        alone = map_latencies(address)
        rows = watched(client, "/pixelcnn_write", "pixelcnn-mnist", None, 16)
        steps = watched(client, "/diffusion_open", "diffusion-mnist", 16)
        with another_visitor(address) as count:
            busy = map_latencies(address)
        print("| measured | value |\n| --- | ---: |")
        print(f"| first HTTP answer after `python app.py` | {seconds:.1f} s |")
        for what, times in (("alone", alone), ("busy", busy)):
            p95 = statistics.quantiles(times, n=20)[-1]
            print(f"| latent map, pointer to picture, {what}: median / p95 | {median(times):.0f} / {p95:.0f} ms |")
        print(f"| PixelCNN, 16 digits: first row / all rows, median | {medians(rows, 0, -1)} ms |")
        print(f"| diffusion, 16 digits: the noise / first step / all steps, median | {medians(steps, 0, 1, -1)} ms |")
        print(f"| memory after every model of all tabs was used | {megabytes:.0f} MB |")
        print(f"\n{os.cpu_count()} cores; {POINTS} points each; the other visitor generated {count()} times meanwhile.")


@contextlib.contextmanager
def running_app() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(10)


def wait_for_answer(address: str, start: float) -> float:
    """Seconds from `start` until the page is served. Raises TimeoutError after a minute."""
    while time.perf_counter() - start < 60:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return time.perf_counter() - start
        time.sleep(0.05)
    raise TimeoutError("the app did not answer within a minute")


def use_every_model(client: Client) -> None:
    """What a visitor does who clicks through all data sets of all sections: the events called "open", with every model."""
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for endpoint, told in endpoints.items():
        if "open" in endpoint.split("_"):
            for name in told["parameters"][0]["type"]["enum"]:
                client.predict(name, api_name=endpoint)


def watched(client: Client, endpoint: str, *arguments: object) -> list[list[float]]:
    """Milliseconds from a request, with these arguments and a seed, to each of its answers, for some requests."""
    requests = []
    for seed in range(WATCHED):
        start = time.perf_counter()
        answers = client.submit(*arguments, seed, api_name=endpoint)
        requests.append([1000 * (time.perf_counter() - start) for _ in answers])
    return requests


def medians(requests: list[list[float]], *answers: int) -> str:
    """The median time to each of these answers, by their place among all."""
    return " / ".join(f"{median(times[i] for times in requests):.0f}" for i in answers)


def map_latencies(address: str) -> list[float]:
    """Milliseconds from request to picture for random points of the latent map."""
    config = httpx.get(f"{address}/config").json()
    plane = next(c for c in config["components"] if "decode" in c["props"].get("server_fns", []))
    body = {"component_id": plane["id"], "fn_name": "decode", "session_hash": "measure"}
    times = []
    with httpx.Client() as http:
        for _ in range(POINTS):
            point = {"name": "vae2d-mnist", "x": random.uniform(-3, 3), "y": random.uniform(-3, 3)}
            start = time.perf_counter()
            answer = http.post(f"{address}/gradio_api/component_server", json=body | {"data": point})
            answer.raise_for_status()
            times.append(1000 * (time.perf_counter() - start))
            time.sleep(0.02)
    return times


@contextlib.contextmanager
def another_visitor(address: str) -> Iterator[Callable[[], int]]:
    """Generates 16 samples in a loop, in a thread; yields a function that tells how often."""
    done, stop = [], threading.Event()

    def generate() -> None:
        client = Client(address, verbose=False)
        while not stop.is_set():
            client.predict("vae-mnist", None, 16, random.randrange(10**6), 1.0, api_name="/vae_generate")
            done.append(1)

    thread = threading.Thread(target=generate, daemon=True)
    thread.start()
    while not done:
        time.sleep(0.05)
    try:
        yield lambda: len(done)
    finally:
        stop.set()
        thread.join(10)


if __name__ == "__main__":
    main()
