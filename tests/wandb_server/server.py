"""The server over HTTP: GraphQL, the file stream and uploads, and the ways in which it can fail.

Connections that are open when it vanishes are cut, as when a machine goes down.
"""

import base64
import gzip
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wandb_server.graphql import OPERATIONS
from wandb_server.records import Artifact, Run
from wandb_server.sweeps import Sweep

KEY = "k1" * 20
"""The one API key that the server takes."""


class WandbServer(ThreadingHTTPServer):
    """A W&B server on the loopback interface, used as a context manager.

    Attributes
    ----------
    url : str
    runs : dict of str to Run
    artifacts : dict of str to Artifact
    sweeps : dict of str to Sweep
    views : list of dict
        Saved workspaces as they were sent, with their layout under "spec".
    requests : list of str
        What was asked, in order: a GraphQL operation's name, or a method and path.
    refused : list of str
        Names of GraphQL operations that the server does not have.
    problems : list of str
        What was wrong with what arrived.
    to_stop : set of str
        Names of sweep runs that their agents are to stop.
    instead : dict
        Parameters that sweeps from now on hand out instead of what their files say.
    key : str
        The key it takes.
    status : int
        200, or that of an error, with which every request is answered.
    statuses : dict
        That with which single requests are answered, by name.
    stall : float, seconds
        How long each answer takes.
    vanish_at : str
        The server vanishes when it is asked this.
    lacks : set of str
        Names of GraphQL operations that it is to refuse.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.runs: dict[str, Run] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.client_ids: dict[str, str] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.agents: dict[str, Sweep] = {}
        self.views: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.problems: list[str] = []
        self.to_stop: set[str] = set()
        self.instead: dict[str, Any] = {}
        self.key, self.status, self.stall, self.vanish_at, self.lacks = KEY, 200, 0.0, "", set[str]()
        self.statuses: dict[str, int] = {}
        self.lock = threading.RLock()
        self._over = threading.Event()
        self._uploads: dict[str, Callable[[bytes], None]] = {}
        self._connections: set[socket.socket] = set()

    @property
    def run(self) -> Run:
        """The only run."""
        (run,) = self.runs.values()
        return run

    @property
    def run_url(self) -> str:
        """Where the only run would be looked at."""
        return f"{self.url}/{self.run.entity}/{self.run.project}/runs/{self.run.name}"

    def check(self) -> list[str]:
        """What was wrong with what arrived, in words."""
        artifacts = [problem for artifact in self.artifacts.values() for problem in artifact.check()]
        runs = [f"run {run.name}: {problem}" for run in self.runs.values() for problem in run.check()]
        return [*self.problems, *artifacts, *runs]

    def artifact(self, kind: str, alias: str = "") -> Artifact:
        """The only artifact of a type (and alias)."""
        found = [a for a in self.artifacts.values() if a.kind == kind and (not alias or alias in a.aliases)]
        (artifact,) = found
        return artifact

    def upload_url(self, keep: Callable[[bytes], None]) -> str:
        """An address for one upload, whose content is given to `keep`."""
        path = f"/storage/{secrets.token_hex(8)}"
        self._uploads[path] = keep
        return self.url + path

    def receive(self, path: str, content: bytes) -> None:
        """Hand on an upload."""
        self._uploads[path](content)

    def vanish(self) -> None:
        """Stop listening and cut every connection."""
        self._over.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait(self) -> bool:
        """Let the time of an answer pass; False if the server is gone by then."""
        return not self._over.wait(self.stall) if self.stall else not self._over.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def __enter__(self) -> "WandbServer":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.vanish()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: WandbServer
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):  # clients end without a farewell
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"", f"GET {self.path}", lambda: {})

    def do_PUT(self) -> None:
        content = self._content()

        def keep() -> dict[str, Any]:
            self.server.receive(self.path, content)
            return {}

        self._serve(content, f"PUT {self.path}", keep, authorized=True)

    def do_POST(self) -> None:
        content = self._content()
        if self.path == "/graphql":
            body = json.loads(content)
            found = re.match(r"\s*(?:query|mutation)\s+(\w+)", body["query"])
            name = found[1] if found else body["query"]
            self._serve(content, name, lambda: self._graphql(name, body.get("variables") or {}))
        elif stream := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
            self._serve(content, "file_stream", lambda: self._stream(stream[1], json.loads(content)))
        else:
            self._serve(content, f"POST {self.path}", lambda: {})

    def _serve(self, content: bytes, name: str, answer: Callable[[], dict[str, Any]], authorized: bool = False) -> None:
        server = self.server
        server.requests.append(name)
        if name == server.vanish_at:
            server.vanish()
        if not server.wait():
            self.close_connection = True
        elif (status := server.statuses.get(name, server.status)) != 200:
            self._answer({"errors": [{"message": "out of order"}]}, status)
        elif not authorized and not self._has_key():
            self._answer({"errors": [{"message": "invalid key"}]}, 401)
        else:
            with server.lock:
                self._answer(answer())

    def _has_key(self) -> bool:
        sent = base64.b64encode(f"api:{self.server.key}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {sent}"

    def _graphql(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        if name not in OPERATIONS or name in self.server.lacks:
            self.server.refused.append(name)
            return {"errors": [{"message": f"no {name} here"}]}
        try:
            return {"data": OPERATIONS[name](self.server, variables)}
        except (KeyError, TypeError, ValueError) as error:
            self.server.problems.append(f"{name}: {error!r}")
            return {"errors": [{"message": repr(error)}]}

    def _stream(self, run: str, body: dict[str, Any]) -> dict[str, Any]:
        self.server.runs[run].stream(body)
        return {}

    def _content(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
