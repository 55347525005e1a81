"""What ponyreload costs under mod_wsgi: requests per second of an application with and without it.

    PYTHONPATH=tests/support python benchmarks/mod_wsgi.py

Needs what tests/adapters/test_mod_wsgi.py needs, and `ab`: apt-get install --no-install-recommends apache2-utils

For each kind of Apache, three servers run at the same time: the application alone, the same with ponyreload around it,
and the application alone again. They are asked in turn, in rounds. Each round gives the ratio of the second to the
first, which is the cost, and of the third to the first, which is the noise. Shown are the median and the quartiles of
each.
"""

from __future__ import annotations

import argparse
import itertools
import re
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from apache import HOSTS, MODES
from frontends import found
from live import Live
from projects import Project

BARE = """
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"tea"]
"""
WRAPPED = f"""
    from ponyreload import *
    {BARE}
    use_autoreload()
    application = AutoreloadMiddleware(application)
"""
SCRIPTS = {"bare": BARE, "wrapped": WRAPPED, "again": BARE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=240, metavar="N", help="(240)")
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="of each server in a round (300)")
    parser.add_argument("--host", choices=HOSTS, action="append", help="one of the kinds of Apache (all)")
    options = parser.parse_args()
    print("Apache              mode      requests/s   with/without          without/without")
    for host in options.host or HOSTS:
        for mode in MODES:
            rates = measure(host, mode, options.rounds, options.requests)
            cost, noise = (shown(ratios(rates[name], rates["bare"])) for name in ("wrapped", "again"))
            print(f"{host:20}{mode:10}{statistics.median(rates['bare']):10.0f}   {cost}   {noise}", flush=True)


def measure(host: str, mode: str, rounds: int, requests: int) -> dict[str, list[float]]:
    """The rates of each server, by rounds: ``{"bare": [5120.1, 5098.7], "wrapped": …}``."""
    rates: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {}
        for name, script in SCRIPTS.items():
            (folder / name).mkdir()
            site = Project(folder / name, {"shop.wsgi": script})
            servers[name] = stack.enter_context(HOSTS[host](mode, site))
            rate(servers[name], requests)  # so that all that is done at first is done
        # In every order, as often as the others: one server finds what the one before has left.
        for _, order in zip(range(rounds), itertools.cycle(itertools.permutations(SCRIPTS)), strict=False):
            for name in order:
                rates[name].append(rate(servers[name], requests))
    return rates


def rate(server: Live, requests: int) -> float:
    """Requests per second that a server answers to two clients."""
    command = [found("ab", "apache2-utils"), "-q", "-k", "-c", "2", "-n", str(requests)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}/"], capture_output=True, text=True, check=True, timeout=300
    )
    assert re.search(r"^Failed requests: +0$", done.stdout, re.MULTILINE), done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(re.findall(r"^Requests per second: +([\d.]+)", done.stdout, re.MULTILINE)[0])


def ratios(rates: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(rates, others, strict=True)]


def shown(values: Sequence[float]) -> str:
    first, median, third = statistics.quantiles(values, n=4)
    return f"{median:.3f} ({first:.3f} to {third:.3f})"


if __name__ == "__main__":
    main()
