"""Sites in processes of their own, with users, behind a proxy to the service that their engine asks."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager

from django_avp.engines.breaker import Breaker
from django_avp.engines.verified_permissions.client import Connection
from django_avp.policies import load
from django_avp.testing.endpoint import PolicyStore
from tests.faults.load import PAGES, Visitors, counted
from tests.processes import PATIENCE, ROOT, serving

STORE = "PSEXAMPLEabcdefg111111"
THREADS = 16
SERVERS = {
    "wsgi": [
        *(sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:{port}", "--worker-class=gthread"),
        *(f"--threads={THREADS}", "--timeout=120", "django.core.wsgi:get_wsgi_application()"),
    ],
    "asgi": [sys.executable, "-m", "uvicorn", "--log-level=warning", "--port={port}", "tests.served.asgi:application"],
}
# Seconds: the breaker's pause, after a call that has begun just before and takes as long as it may; and as much again
# as a machine may need that does other things, too.
RECOVERY = 2 * (Breaker()._pause + Connection().patience)


class Place:
    """A site, its users, and what stands between it and its service."""

    def __init__(self, visitors, proxy, log):
        self.visitors = visitors
        self.proxy = proxy
        self._log = log

    def logged(self):
        """How many checks or rounds the log tells of, that were not decided."""
        return sum(line.startswith('{"event": "avp.') for line in self._log.read_text().splitlines())

    def recover(self):
        """Wait until everybody sees everything right, and give the seconds until the first who did."""
        lifted = time.monotonic()
        while self.visitors.ask("user0", "/gallery/").kind != "right":
            assert time.monotonic() - lifted < RECOVERY
            time.sleep(0.05)
        first = time.monotonic() - lifted
        while set(counted(self.visitors.all_ask(PAGES, once))) != {"right"}:
            assert time.monotonic() - lifted < PATIENCE
        return first


@contextmanager
def serving_site(filled, proxy, server, log, workers=1, **settings):
    """A site of so many processes, whose engine reaches its service by a proxy alone."""
    variables, made, truth = filled
    options = aws(proxy.url, aws_secret_access_key="x")
    settings = {"AVP_POLICY_STORE_ID": STORE, "AVP_CLIENT_OPTIONS": options, **settings}
    environment = {**variables, "SITE_SETTINGS": json.dumps(settings), "WEB_CONCURRENCY": str(workers)}
    with serving(SERVERS[server], environment, log) as url:
        yield Place(Visitors(url, made, truth), proxy, log)


def until(condition):
    """Wait for what another thread or process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def policy_store(pool):
    """The policies of the test site, as a store of the service has them."""
    names = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}
    return PolicyStore.holding(load([ROOT / "tests" / "policies"]), policy_store_id=STORE, pool=pool, **names)


def once(times):
    """Until everybody has asked once."""
    return times == 1


def aws(url, **options):
    """Options of a client for a service on this machine."""
    return {"endpoint_url": url, "region_name": "eu-west-1", "aws_access_key_id": "x", **options}
