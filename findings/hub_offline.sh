#!/usr/bin/env bash
# Guess: without a network every call of huggingface_hub fails at once, with one kind of error: its own HfHubHTTPError,
#        or an OSError such as ConnectionError.
# Seen:  asking whether a repository exists raises httpx2.ConnectError at once: no OSError, none of huggingface_hub, and
#        none of httpx, whose name differs by one digit. Fetching a file waits about 24 s in five retries, and then says
#        FileNotFoundError. With HF_HUB_OFFLINE the same two raise ConnectionError and FileNotFoundError.
# Why it matters: `except OSError` around a download is right, and around the question before it lets a traceback through;
#        who catches FileNotFoundError as "no such file there" takes a cable that is not plugged in for it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile huggingface_hub==2.4.0 httpx2==2.16.2

HF_HOME="$folder/cache" venv/bin/python - <<'PYTHON'
import logging
import time
from importlib.metadata import version

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError

print(*(f"{name} {version(name)}" for name in ("huggingface_hub", "httpx2")))
logging.disable(logging.WARNING)
api = HfApi(endpoint="http://127.0.0.1:9")  # nobody listens there


def raised(call):
    start = time.monotonic()
    try:
        call()
    except Exception as error:
        kinds = [f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__]
        return error, kinds[0], time.monotonic() - start


calls = {"repo_exists": lambda: api.repo_exists("a/b"), "hf_hub_download": lambda: api.hf_hub_download("a/b", "x")}
online = {name: raised(call) for name, call in calls.items()}
constants.HF_HUB_OFFLINE = True  # as the environment variable of that name
offline = {name: raised(call) for name, call in calls.items()}
print("guess: one kind of error, an OSError or HfHubHTTPError, at once")
for title, found in (("no network", online), ("HF_HUB_OFFLINE", offline)):
    for name, (error, kind, seconds) in found.items():
        print(f"seen:  {title}: {name}: {kind} after {seconds:.0f} s, OSError: {isinstance(error, OSError)}")
asked, fetched = online["repo_exists"], online["hf_hub_download"]
assert asked[1] == "httpx2.ConnectError" and not isinstance(asked[0], (OSError, HfHubHTTPError))
assert isinstance(fetched[0], FileNotFoundError) and fetched[2] > 10 > asked[2]
assert isinstance(offline["repo_exists"][0], ConnectionError)
assert isinstance(offline["hf_hub_download"][0], FileNotFoundError)
PYTHON
