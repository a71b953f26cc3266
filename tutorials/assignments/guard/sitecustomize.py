"""No connection to another computer, in every Python process that is started while a submission is graded.

An audit hook sees each call before it happens and cannot be removed by Python code.  Code that is not Python is free.
"""

import sys

LOCAL = ("127.", "::1", "localhost", "0.0.0.0", "")


def _refuse(event, arguments):
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


sys.addaudithook(_refuse)

# jsonschema would use it to check web addresses, which no notebook schema has; importing it takes seconds.
sys.modules.setdefault("rfc3987_syntax", None)
