"""A user pool's endpoints over loopback HTTP: discovery, tokens by code and by refresh, revocation."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import uuid4

from tests.conftest import POOL

ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
CLIENT_ID = "client-1"


class Pool:
    """Answers as Amazon Cognito does, and lets a test change what it says.

    Attributes:
        sub: who signs in next.
        groups: whose groups.
        lifetime: seconds that tokens live.
        rotates: whether each refresh brings a new refresh token, and ends the old one.
        secret: the client's secret, if it has one.
        changes: fields of the discovery document in place of its own.
        claims: claims of the ID token in place of its own.
        answer: changes the answer of the token endpoint.
        replies: status and body to give in place of answers, by path.
        asked: the paths that were asked, and what was sent to each.
        may_answer: cleared, the token endpoint has done its work and says nothing until it is set.
        is_asked: set when the token endpoint has done its work.
    """

    def __init__(self, mint) -> None:
        self.mint = mint
        self.sub, self.groups, self.lifetime = "ann", ["viewers"], 3600
        self.rotates, self.secret = False, ""
        self.changes, self.claims, self.replies = {}, {}, {}
        self.answer = dict
        self.asked = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.is_asked = threading.Event()
        self._codes, self.refresh_tokens = {}, {}
        pool = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pool.asked.append((self.path, {}))
                self.say(*pool.replies.get(self.path, (200, pool.document)))

            def do_POST(self) -> None:
                sent = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                sent["authorization"] = self.headers.get("Authorization", "")
                pool.asked.append((self.path, sent))
                reply = pool.replies.get(self.path) or getattr(pool, self.path.strip("/"))(sent)
                if self.path == "/token":
                    pool.is_asked.set()
                    pool.may_answer.wait(10)
                self.say(*reply)

            def say(self, status, body) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status in (301, 302, 307):
                    self.send_header("Location", f"{pool.url}/elsewhere")
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, format: str, *args: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *args: None  # the client is gone
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.discovery_url = f"{self.url}/.well-known/openid-configuration"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def document(self):
        """What discovery tells."""
        own = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "revocation_endpoint": f"{self.url}/revoke",
            "end_session_endpoint": f"{self.url}/logout",
        }
        return own | self.changes

    def choose(self, location, **changes):
        """Sign in on the page at a location, and return the query that the browser comes back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/authorize?")
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        code = uuid4().hex
        self._codes[code] = asked
        return urlencode({"code": code, "state": asked["state"], **changes})

    def token(self, sent):
        """Exchange a code, once, or a refresh token."""
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{self.secret}".encode()).decode()
        if (sent["authorization"] if self.secret else sent.get("client_id")) != (basic if self.secret else CLIENT_ID):
            return 400, {"error": "invalid_client"}
        nonce, more = None, {}
        if sent["grant_type"] == "authorization_code":
            asked = self._codes.pop(sent["code"], None)
            digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (challenge, sent["redirect_uri"]):
                return 400, {"error": "invalid_grant"}
            nonce, sub = asked["nonce"], self.sub
            more = {"refresh_token": self._refresh_token(sub)}
        else:
            sub = self.refresh_tokens.get(sent["refresh_token"])
            if sub is None:
                return 400, {"error": "invalid_grant", "error_description": "Refresh Token has been revoked"}
            if self.rotates:
                del self.refresh_tokens[sent["refresh_token"]]
                more = {"refresh_token": self._refresh_token(sub)}
        common = {"groups": self.groups, "expires_in": self.lifetime}
        tokens = {
            "id_token": self.mint.id_token(**({"sub": sub, "nonce": nonce} | common | self.claims)),
            "access_token": self.mint.access_token(sub, **common),
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
        return 200, self.answer(tokens | more)

    def revoke(self, sent):
        """End a refresh token."""
        self.refresh_tokens.pop(sent["token"], None)
        return 200, b""

    def sent_to(self, path):
        """What was sent to a path, each time."""
        return [sent for asked, sent in self.asked if asked == path]

    def _refresh_token(self, sub):
        token = uuid4().hex
        self.refresh_tokens[token] = sub
        return token
