"""Ends well where http://127.0.0.1:PORT/health answers 200: `python serve/healthy.py PORT [PATH]`. For health checks."""

from __future__ import annotations

import http.client
import sys

SECONDS = 3


def main(port: str, path: str = "/health") -> int:
    """0 where it does, 1 where it does not. No proxy stands between, whatever the environment says."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
    try:
        connection.request("GET", path)
        return int(connection.getresponse().status != 200)
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
