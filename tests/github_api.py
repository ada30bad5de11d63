"""GitHub's comments of a pull request, on loopback: what `meishi pr-comment` talks to."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.served import listening


@dataclass
class Comments:
    """What the server holds and does.

    Attributes:
        there: comments by id, as GitHub has them: {"id", "body", "user": {"type"}}.
        refuses: status of every answer to a write; 0 to carry it out.
        fails: status of every answer to a read; 0 to answer it.
        writes: (method, path, token) of each write.
        url: set when it runs.
    """

    there: dict[int, dict[str, Any]] = field(default_factory=dict)
    refuses: int = 0
    fails: int = 0
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    def add(self, body: str, kind: str = "Bot") -> int:
        number = len(self.there) + 1
        self.there[number] = {"id": number, "body": body, "user": {"type": kind}}
        return number


@contextmanager
def serving(comments: Comments) -> Iterator[Comments]:
    """Serve them; `comments.url` is what GITHUB_API_URL is to be."""
    with listening(_handler(comments)) as address:
        comments.url = address
        yield comments


def _handler(comments: Comments) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            address = urlsplit(self.path)
            asked = {key: int(values[0]) for key, values in parse_qs(address.query).items()}
            begin = (asked["page"] - 1) * asked["per_page"]
            found = list(comments.there.values())[begin : begin + asked["per_page"]]
            self.answer(comments.fails or 200, found)

        def do_POST(self) -> None:  # noqa: N802
            text = self.written()
            if comments.refuses:
                return self.answer(comments.refuses, {"message": "not accessible"})
            return self.answer(201, {"id": comments.add(text)})

        def do_PATCH(self) -> None:  # noqa: N802
            text = self.written()
            if comments.refuses:
                return self.answer(comments.refuses, {"message": "not accessible"})
            number = int(re.fullmatch(r"/repos/o/n/issues/comments/(\d+)", self.path).group(1))
            comments.there[number]["body"] = text
            return self.answer(200, comments.there[number])

        def written(self) -> str:
            token = self.headers.get("Authorization", "")
            comments.writes.append((self.command, self.path, token))
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

        def answer(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
