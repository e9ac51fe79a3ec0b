"""A small hub on the loopback address: what huggingface_hub asks of the real one, as far as the build needs it.

Names with their revisions, files with ranges and etags, large ones by redirect, gated repositories, uploads by LFS. A
connection breaks, or all are refused, when a test says so.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"
LARGE = (".bin", ".safetensors", ".onnx", ".onnx_data", ".parquet", ".model")
"""Files that the hub keeps by LFS."""

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass
class Repository:
    """``revisions`` are names of commits; each commit has its files."""

    gated: bool = False
    private: bool = False
    revisions: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes | None], revision: str = "main") -> str:
        """Add files to a revision, or delete those that are None."""
        changed = {**self.commits.get(self.revisions.get(revision, ""), {}), **files}
        content = {name: data for name, data in changed.items() if data is not None}
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())}
        name = hashlib.sha1(json.dumps([len(self.commits), digests]).encode()).hexdigest()
        self.commits[name] = content
        self.revisions[revision] = name
        return name

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.revisions[revision]]


class Hub:
    """Repositories by kind and name, what was asked for, and the faults that are to happen."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.down = False
        self.break_after: int | None = None
        """Of the next file with more bytes only these are sent, then the connection breaks."""
        self.url = ""

    def add(self, name: str, files: Mapping[str, bytes] | Path, kind: str = "models", revision: str = "main") -> str:
        """Add a commit; returns its name."""
        if isinstance(files, Path):
            files = {
                path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()
            }
        repository = self.repositories.setdefault((kind, name), Repository())
        repository.revisions.setdefault("main", "")
        commit = repository.commit(files, revision)
        if not repository.revisions["main"]:
            del repository.revisions["main"]
        return commit

    def get(self, name: str, kind: str = "models") -> Repository:
        return self.repositories[kind, name]


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str):
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _answer(self) -> None:
        """Find who answers, and answer what is refused."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.hub.asked.append(f"{self.command} {unquote(path)}")
        if self.hub.down:
            self.close_connection = True
            self.connection.close()
            return
        try:
            for pattern, method in ROUTES:
                if found := re.fullmatch(pattern, path):
                    method(self, body, *(part and unquote(part) for part in found.groups()))
                    return
            raise Refused(404, "", f"no {path}")
        except Refused as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            self._send(error.status, json.dumps({"error": error.message}).encode(), headers)

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _send(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, content: object, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _signed_in(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _must_be_signed_in(self) -> None:
        if not self._signed_in():
            raise Refused(401, "", "Invalid username or password.")

    def _repository(self, kind: str, name: str) -> Repository:
        repository = self.hub.repositories.get((kind, name))
        if repository is None or (repository.private and not self._signed_in()):
            raise Refused(401, "RepoNotFound", "Repository not found")
        return repository

    def _files(self, kind: str, name: str, revision: str | None) -> tuple[str, dict[str, bytes]]:
        """The commit that a revision is, and its files."""
        repository = self._repository(kind, name)
        commit = repository.revisions.get(revision or "main", revision or "main")
        if commit not in repository.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repository.commits[commit]

    def who(self, body: bytes) -> None:
        self._must_be_signed_in()
        self._json({"type": "user", "name": "me", "auth": {"accessToken": {"role": "write"}}, "orgs": []})

    def information(self, body: bytes, kind: str, name: str, revision: str | None = None) -> None:
        commit, files = self._files(kind, name, revision)
        repository = self._repository(kind, name)
        siblings = [{"rfilename": file} for file in sorted(files)]
        self._json({"_id": "0", "id": name, "sha": commit, "siblings": siblings, "private": repository.private,
                    "gated": "manual" if repository.gated else False, "tags": [], "downloads": 0})  # fmt: skip

    def tree(self, body: bytes, kind: str, name: str, revision: str, folder: str | None = None) -> None:
        _, files = self._files(kind, name, revision)
        there = {file: content for file, content in sorted(files.items()) if file.startswith(folder or "")}
        if not there:
            raise Refused(404, "EntryNotFound", f"{folder} does not exist")
        self._json([{"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for file, content in there.items()])  # fmt: skip

    def resolve(self, body: bytes, kind: str | None, name: str, revision: str, file: str) -> None:
        kind = (kind or "models/").removesuffix("/")
        if self._repository(kind, name).gated and not self._signed_in():
            raise Refused(401, "GatedRepo", f"Access to {kind} {name} is restricted.")
        commit, files = self._files(kind, name, revision)
        if file not in files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        content = files[file]
        digest = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digest[:40]}"', "Accept-Ranges": "bytes"}
        if not file.endswith(LARGE):
            return self._send(200, content, headers)
        self.hub.stored[digest] = content
        place = {"Location": f"{self.hub.url}/cdn/{digest}", "X-Linked-Size": str(len(content))}
        return self._send(302, b"", {**headers, **place, "X-Linked-ETag": f'"{digest}"'})

    def stored(self, body: bytes, digest: str) -> None:
        content = self.hub.stored[digest]
        headers = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        status = 200
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self.hub.asked[-1] += f" from {first}"
            status, content = 206, content[first : last + 1]
        if self.command == "GET" and len(content) > (self.hub.break_after or len(content)):
            sent, self.hub.break_after = content[: self.hub.break_after], None
            self._send(status, sent, {**headers, "Content-Length": str(len(content))})
            self.close_connection = True
            return
        self._send(status, content, headers)

    def create(self, body: bytes) -> None:
        self._must_be_signed_in()
        wanted: dict[str, Any] = json.loads(body)
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        address = {"url": f"{self.hub.url}/{name}"}
        if ("models", name) in self.hub.repositories:
            return self._json({"error": "You already created this model repo", **address}, 409)
        if not name.startswith("me/"):
            raise Refused(403, "", f"You don't have the rights to create a model under the namespace {name}")
        repository = self.hub.repositories["models", name] = Repository(private=bool(wanted.get("private")))
        repository.commit({".gitattributes": b""})
        return self._json(address)

    def branch(self, body: bytes, name: str, branch: str) -> None:
        self._must_be_signed_in()
        repository = self._repository("models", name)
        if branch in repository.revisions:
            raise Refused(409, "", "Reference already exists")
        repository.revisions[branch] = repository.revisions["main"]
        self._json({})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        self._must_be_signed_in()
        self._files("models", name, revision)
        files = [{"path": file["path"], "shouldIgnore": False, "oid": None,
                  "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
                 for file in json.loads(body)["files"]]  # fmt: skip
        self._json({"files": files})

    def batch(self, body: bytes, name: str) -> None:
        self._must_be_signed_in()
        objects = []
        for wanted in json.loads(body)["objects"]:
            there = wanted["oid"] in self.hub.stored
            action = {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}
            objects.append({**wanted, **({} if there else {"actions": action})})
        self._json({"transfer": "basic", "objects": objects})

    def put(self, body: bytes, digest: str) -> None:
        if hashlib.sha256(body).hexdigest() != digest:
            raise Refused(400, "", "digest does not match")
        self.hub.stored[digest] = body
        self._send(200)

    def commit(self, body: bytes, name: str, revision: str) -> None:
        self._must_be_signed_in()
        files: dict[str, bytes | None] = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                files[value["path"]] = None
        commit = self._repository("models", name).commit(files, revision)
        self._json({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit, "hookOutput": ""})

    def yaml(self, body: bytes) -> None:
        """The real one checks the metadata; the tests do so themselves."""
        self._json({"errors": [], "warnings": []})


NAME = r"([^/]+/[^/]+)"
KIND = r"(models|datasets)"
ROUTES = [
    (r"/api/whoami-v2", Handler.who),
    (r"/api/repos/create", Handler.create),
    (r"/api/validate-yaml", Handler.yaml),
    (rf"/api/{KIND}/{NAME}", Handler.information),
    (rf"/api/{KIND}/{NAME}/revision/(.+)", Handler.information),
    (rf"/api/{KIND}/{NAME}/tree/([^/]+)(?:/(.+))?", Handler.tree),
    (rf"/api/models/{NAME}/branch/(.+)", Handler.branch),
    (rf"/api/models/{NAME}/preupload/(.+)", Handler.preupload),
    (rf"/api/models/{NAME}/commit/(.+)", Handler.commit),
    (r"/cdn/(\w+)", Handler.stored),
    (r"/lfs/(\w+)", Handler.put),
    (rf"/{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    (rf"/(datasets/)?{NAME}/resolve/([^/]+)/(.+)", Handler.resolve),
]


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfThisHub", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
