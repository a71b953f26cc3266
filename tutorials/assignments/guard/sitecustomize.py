"""What no Python process may do that is started while a submission is graded: leave the computer, write elsewhere.

An audit hook sees each call before it happens and cannot be removed by Python code.  Code that is not Python is free of
it; on Linux, Landlock holds that back too.  MINICM_FOLDER is the one folder that may be written to, MINICM_CLOSED the
folders that may not be read.
"""

import os
import re
import sys

LOCAL = ("127.", "::1", "localhost", "0.0.0.0", "")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# event -> which of its arguments are paths that change
CHANGES = {
    "os.chmod": (0,), "os.chown": (0,), "os.link": (0, 1), "os.mkdir": (0,), "os.remove": (0,), "os.rename": (0, 1),
    "os.rmdir": (0,), "os.setxattr": (0,), "os.symlink": (1,), "os.truncate": (0,), "os.utime": (0,),
    "shutil.rmtree": (0,), "shutil.move": (0, 1), "sqlite3.connect": (0,),
}  # fmt: skip
FREE = re.compile(r"/dev/(null|tty|zero|ptmx|pts/.*|shm/.*)|/proc/self/(fd|task)/.*")
SECRET = re.compile(r"/proc/\d+/(task/\d+/)?(environ|mem)")


def _no_network(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else ""
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode(errors="replace") if isinstance(host, bytes) else str(host or "")
    if host not in LOCAL and not host.startswith("127."):
        raise PermissionError("no network while work is graded")


def below(path, places):
    """Whether a real path is one of the places, or lies in one."""
    return any(path == place or path.startswith(place.rstrip(os.sep) + os.sep) for place in places)


def resolved(path):
    """The real path; for what is none, such as an open file, nothing that is refused."""
    return os.path.realpath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else "/dev/null"


def opened(mine, shut, path, flags, below=below, resolved=resolved):
    """Refuse to open a file that is not to be written, or not to be read."""
    path = resolved(path)
    if below(path, mine):
        return
    if (flags or 0) & WRITES and not FREE.fullmatch(path):
        raise PermissionError(f"no writing of {path} while work is graded")
    if SECRET.match(path) or below(path, shut):
        raise PermissionError(f"no reading of {path} while work is graded")


def changed(mine, event, arguments, below=below, resolved=resolved, changes=CHANGES):
    """Refuse to remove, rename or make what lies elsewhere."""
    for k in changes[event]:
        path, folder = resolved(arguments[k]), arguments[-1]  # of what is removed: an open folder, or -1
        if event in ("os.remove", "os.rmdir") and isinstance(folder, int) and folder >= 0:
            path = resolved(f"/proc/self/fd/{folder}")
        if not below(path, mine) and path != "/dev/null" and arguments[k] != ":memory:":
            raise PermissionError(f"no change of {path} while work is graded")


def keep_to(folder, closed, opened=opened, changed=changed):
    """Refuse from now on: writes outside of folder, reads below the closed folders, signals to other programs."""
    mine, parent = [os.path.realpath(folder)], os.getppid()
    shut = [os.path.realpath(path) for path in closed if path]

    def hook(event, arguments, changes=CHANGES):
        if event == "open":
            opened(mine, shut, arguments[0], arguments[2])
        elif event in changes:
            changed(mine, event, arguments)
        elif event in ("os.kill", "os.killpg") and arguments[0] in (parent, -1, 1):
            raise PermissionError("no signals to other programs while work is graded")

    sys.addaudithook(hook)


sys.addaudithook(_no_network)
if os.environ.get("MINICM_FOLDER"):
    keep_to(os.environ["MINICM_FOLDER"], os.environ.get("MINICM_CLOSED", "").split(os.pathsep))
