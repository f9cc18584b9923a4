"""A solver's process that misbehaves as its first word of environment says; started by test_solving.py only."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Read the problem, say one plan, then hang, crash, or print rubbish."""
    sys.stdin.buffer.read()
    print(json.dumps({"routes": {"ann": ["a"]}}), flush=True)
    match os.environ["UNRULY"]:
        case "hang":
            while True:
                time.sleep(60)
        case "crash":
            os.abort()
        case "rubbish":
            print("\x00{]\n[1, 2]\n" + '{"routes": 7}\n{"routes": {"ann": ["')
    return 0


if __name__ == "__main__":
    sys.exit(main())
