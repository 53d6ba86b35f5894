"""A server that answers the W&B client's requests as far as a run needs, or stops answering.

The real client talks to it over HTTP, so online runs are tested without an account or a network.
"""

import gzip
import json
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

KEY = "k1" * 20


class FakeServer(ThreadingHTTPServer):
    """Counts and keeps what it receives.

    Attributes
    ----------
    url : str
    rows : list of dict
        History rows received.
    requests : list of str
        Names of GraphQL operations and paths, in order.
    silent : threading.Event
        While set, every request stays without an answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.rows: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.summary: dict[str, Any] = {}
        self.silent, self.over = threading.Event(), threading.Event()
        self.refuse = False

    def __enter__(self) -> "FakeServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: FakeServer
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):  # clients end without a farewell
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.answer({})

    def do_PUT(self) -> None:
        self.server.requests.append("PUT " + unquote(self.path))
        self.body()
        self.answer({})

    def do_POST(self) -> None:
        body = self.body()
        if self.server.silent.is_set():
            self.server.over.wait()
            self.close_connection = True
            return
        if self.server.refuse:
            self.answer({"errors": [{"message": "invalid key"}]}, 401)
        elif self.path.endswith("/graphql"):
            query = json.loads(body)
            self.answer(self.graphql(query["query"], query.get("variables") or {}))
        else:
            self.server.requests.append(self.path)
            if self.path.endswith("/file_stream"):
                self.file_stream(json.loads(body))
            self.answer({})

    def body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def file_stream(self, body: dict[str, Any]) -> None:
        for name, part in (body.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                self.server.rows += [json.loads(line) for line in part["content"]]
            if name == "wandb-summary.json":
                self.server.summary = json.loads(part["content"][-1])

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        named = re.match(r"\s*(?:query|mutation)\s+(\w+)", query)
        operation = named[1] if named else "?"
        self.server.requests.append(operation)
        project = {"id": "p", "name": "ffnn", "entity": {"id": "e", "name": "me"}}
        data: dict[str, Any] = {}
        if "upsertBucket" in query:
            bucket = {"id": "b", "name": variables.get("name"), "displayName": variables.get("displayName")}
            data = {"upsertBucket": {"bucket": {**bucket, "config": "{}", "project": project}, "inserted": True}}
        elif "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.server.url}/file/{name}"} for name in variables["files"]]
            data = {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        elif operation == "Viewer":
            data = {"viewer": {"id": "u", "entity": "me", "flags": "{}", "teams": {"edges": []}, "username": "me"}}
        return {"data": data} if data else {"errors": [{"message": f"no {operation} here"}]}

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
