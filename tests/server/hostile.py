"""Requests that no correct client sends."""

from tests.server.edge import HOST, JSON, LOGIN, head

PATH = "/api/v1/notes"
GET = f"GET {PATH} HTTP/1.1\r\n"
HOSTILE = {
    "two hosts": head("GET", PATH, "Host: evil.example.com"),
    "the same host twice": head("GET", PATH, HOST),
    "no host": head("GET", PATH, host=None),
    "an empty host": head("GET", PATH, host="Host:"),
    "another host": head("GET", PATH, host="Host: evil.example.com"),
    "length and chunks": head(
        "POST", LOGIN, JSON, "Content-Length: 2", "Transfer-Encoding: chunked"
    )
    + b"0\r\n\r\n",
    "two lengths": head("POST", LOGIN, JSON, "Content-Length: 2", "Content-Length: 3"),
    "a negative length": head("POST", LOGIN, JSON, "Content-Length: -1"),
    "a length with a sign": head("POST", LOGIN, JSON, "Content-Length: +2") + b"{}",
    "an unknown coding": head("POST", LOGIN, JSON, "Transfer-Encoding: gzip, x"),
    "chunks that are compressed": head(
        "POST", LOGIN, JSON, "Transfer-Encoding: gzip, chunked"
    )
    + b"0\r\n\r\n",
    "a length of 5000 digits": head("POST", LOGIN, "Content-Length: " + "9" * 5000),
    "a slash that is encoded": head("GET", "/api/v1%2fnotes"),
    "chunked twice": head("POST", LOGIN, JSON, "Transfer-Encoding: chunked, chunked")
    + b"0\r\n\r\n",
    "a chunk without a number": head("POST", LOGIN, JSON, "Transfer-Encoding: chunked")
    + b"zz\r\n{}\r\n0\r\n\r\n",
    "bare line feeds": f"GET {PATH} HTTP/1.1\n{HOST}\n\n".encode(),
    "a folded header": head("GET", PATH, "X-Folded: a", " b"),
    "a space before the colon": head("GET", PATH, "X-Space : a"),
    "brackets in a header name": head("GET", PATH, "X(Y): a"),
    "a nul in a header": head("GET", PATH, "X-Nul: a\0b"),
    "authorization twice": head(
        "GET", PATH, "Authorization: Bearer a", "Authorization: Bearer b"
    ),
    "200 headers": head("GET", PATH, *(f"X-{n}: {n}" for n in range(200))),
    "a header of 70 KB": head("GET", PATH, "X-Long: " + "a" * 70_000),
    "40 KB of headers": head("GET", PATH, *(f"X-{n}: {'a' * 4000}" for n in range(10))),
    "a path of 3 KB": head("GET", "/" + "a" * 3000),
    "a query of 5 KB": head("GET", f"{PATH}?max_budget=" + "a" * 5000),
    "a target of 20 KB": head("GET", f"{PATH}?max_budget=" + "a" * 20_000),
    "an encoded nul in the path": head("GET", f"{PATH}/%00"),
    "an encoded line feed in the path": head("GET", f"{PATH}/a%0ab"),
    "an encoded line feed in the query": head("GET", f"{PATH}?max_budget=%0d%0aX: y"),
    "a control character in the path": head("GET", f"{PATH}/a\x01b"),
    "trace": head("TRACE", PATH),
    "connect": head("CONNECT", "evil.example.com:443"),
    "an unknown method": head("BREW", PATH),
    "another host in the target": head("GET", f"http://evil.example.com{PATH}"),
    "http 0.9": f"GET {PATH}\r\n\r\n".encode(),
    "http 9.9": f"GET {PATH} HTTP/9.9\r\n{HOST}\r\n\r\n".encode(),
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a body over the limit": head("POST", LOGIN, JSON, "Content-Length: 65537")
    + b" " * 65_537,
    "chunks over the limit": head("POST", LOGIN, JSON, "Transfer-Encoding: chunked")
    + b"8000\r\n"
    + b" " * 0x8000
    + b"\r\n"
    + b"8001\r\n"
    + b" " * 0x8001
    + b"\r\n0\r\n\r\n",
}
