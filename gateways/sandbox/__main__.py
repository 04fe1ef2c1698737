"""`python -m gateways.sandbox`: the fake providers, until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from gateways.sandbox.courier import PACE
from gateways.sandbox.server import PROVIDERS, start
from gateways.sandbox.state import Merchant


def _merchant(text: str) -> Merchant:
    name, _, rest = text.partition(":")
    provider = next((one for one in PROVIDERS if one.name == name), None)
    code, *keys = rest.split(":", len(provider.key_names)) if provider else [""]  # the last key may be an address
    if provider is None or len(keys) != len(provider.key_names):
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(_merchant_forms())}")
    return Merchant(provider=name, code=code, keys=dict(zip(provider.key_names, keys, strict=True)))


def _merchant_forms() -> list[str]:
    return [":".join([one.name, "code", *one.key_names]) for one in PROVIDERS]


def _delays(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError("expected seconds, such as 1,5,15") from None


def _pace(text: str) -> float:
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    if not 0 < pace < float("inf"):
        raise argparse.ArgumentTypeError("expected a number above 0")
    return pace


def main() -> int:
    """Run until SIGINT or SIGTERM. Exit code 0; 2 for wrong arguments or a taken port."""
    parser = argparse.ArgumentParser(
        prog="python -m gateways.sandbox", description="Payment providers, faked over real HTTP."
    )
    parser.add_argument("--port", type=int, default=9500)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--public-url", default="", help="where browsers reach the pay page, if not at host and port")
    parser.add_argument("--state", type=Path, help="keep everything in this file over restarts (JSON lines)")
    parser.add_argument("--autopay", action="store_true", help="every payment succeeds at once")
    parser.add_argument("--link-minutes", type=float, default=15.0, help="life of a pay page")
    parser.add_argument(
        "--pace", type=_pace, default=PACE, help="how much faster notifications come again than each provider's do"
    )
    parser.add_argument(
        "--ipn-retries", type=_delays, help="seconds between tries, such as 1,5,15, instead of each provider's own"
    )
    parser.add_argument("--merchant", type=_merchant, action="append", default=[], help=", ".join(_merchant_forms()))
    options = parser.parse_args()
    try:
        running = start(
            port=options.port,
            host=options.host,
            public_url=options.public_url,
            state=options.state,
            pace=options.pace,
            retry_delays=options.ipn_retries,
            autopay=options.autopay,
            link_minutes=options.link_minutes,
            merchants=options.merchant,
        )
    except OSError as error:
        parser.error(f"cannot listen on {options.host}:{options.port}: {error}")
    done = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: done.set())
    sys.stdout.write(f"Payment sandbox on {running.url} (faults and payments: {running.url}/control)\n")
    sys.stdout.flush()
    done.wait()
    running.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
