"""``manage.py avp_serve`` and ``python -m django_avp.testing.endpoint``: policies as the service would serve them."""

from __future__ import annotations

import _thread
import json
import re
import runpy
import signal
import socket
import sys
import threading
import time
from io import StringIO

import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command

from django_avp.conf import conf
from django_avp.testing import endpoint
from tests.testing.aws import conforming_client

ITEM = {
    "action": {"actionType": "PhotoFlash::Action", "actionId": "ListPhotos"},
    "resource": {"entityType": "PhotoFlash::Application", "entityId": "default"},
}


class Announced(StringIO):
    """Output that tells when there is an address in it."""

    def __init__(self):
        super().__init__()
        self.address = threading.Event()

    def write(self, text):
        written = super().write(text)
        if "http://" in self.getvalue():
            self.address.set()
        return written


@pytest.fixture(autouse=True)
def interruptible():
    """A shell that starts the tests in the background has them ignore what Ctrl-C sends."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def answer_of(serve, output, token):
    """Serve until there is an answer to one question, or the error in its place."""
    answers = []

    def ask():
        try:
            assert output.address.wait(10)
            client = conforming_client(re.search(r"http://127\.0\.0\.1:\d+", output.getvalue())[0])
            answers.append(client.is_authorized_with_token(policyStoreId="mine", identityToken=token, **ITEM))
        except ClientError as error:
            answers.append(error)
        finally:
            _thread.interrupt_main()

    asking = threading.Thread(target=ask)
    asking.start()
    serve()
    asking.join(10)
    return answers[0]


@pytest.fixture
def command():
    """The command with options, and its output."""
    output = Announced()

    def serve(*options):
        return lambda: call_command("avp_serve", "--port=0", "--policy-store-id=mine", *options, stdout=output)

    return serve, output


def test_it_serves_until_it_is_interrupted(command, mint):
    """It says where, answers an SDK, and ends with Ctrl-C."""
    serve, output = command

    assert answer_of(serve(), output, mint.id_token("ann"))["decision"] == "ALLOW"
    assert "Policy store 'mine' at" in output.getvalue()


def test_it_fails_as_it_is_asked_to(command, mint):
    """With an error, or late."""
    serve, output = command
    error = answer_of(serve("--error=ThrottlingException"), output, mint.id_token("ann"))
    assert error.response["Error"]["Code"] == "ThrottlingException"
    output.truncate(0)
    output.address.clear()
    begun = time.monotonic()
    assert answer_of(serve("--latency=0.2", "--quotas"), output, mint.id_token("ann"))["decision"] == "ALLOW"
    assert time.monotonic() - begun >= 0.2


def test_what_it_lacks_is_told(settings, tmp_path):
    """Policies, or the keys that verify tokens."""
    settings.AVP_JWKS = None
    with pytest.raises(CommandError, match="AVP_JWKS is missing"):
        call_command("avp_serve", "--port=0")
    settings.AVP_POLICIES = tmp_path
    with pytest.raises(CommandError, match="No policy found"):
        call_command("avp_serve", "--port=0")


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_cannot_be_had_is_told(taken):
    """Because it is taken, or because there is none of that number."""
    for port in (taken, 99_999):
        with pytest.raises(CommandError, match=rf"Port {port} of 127.0.0.1 cannot be had \(.+\). Name another one"):
            call_command("avp_serve", f"--port={port}")


@pytest.fixture
def run_module(monkeypatch, mint, tmp_path):
    """``python -m`` with a directory of policies, in this process."""
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(mint.jwks))

    def run(directory, port=0):
        arguments = [f"--user-pool={mint.pool}", "--client-id=client-1", f"--jwks={keys}", f"--port={port}"]
        arguments += ["--principal-type=PhotoFlash::User", "--group-type=PhotoFlash::Group", "--policy-store-id=mine"]
        monkeypatch.setattr(sys, "argv", ["endpoint", str(directory), *arguments])
        # By its path: pytest loads a plugin's package by a loader of its own, which runpy does not know.
        runpy.run_path(endpoint.__path__[0] + "/__main__.py", run_name="__main__")

    return run


def test_it_needs_no_project(run_module, monkeypatch, mint):
    """Everything that the settings would say is an argument."""
    output = Announced()
    monkeypatch.setattr(sys, "stdout", output)

    answer = answer_of(lambda: run_module(conf.policies[0]), output, mint.id_token("ann"))

    assert answer["decision"] == "ALLOW"


def test_a_wrong_argument_is_told(run_module, tmp_path, capsys, taken):
    """On standard error, as argparse tells it."""
    with pytest.raises(SystemExit):
        run_module(conf.policies[0], port=taken)
    assert f"Port {taken} of 127.0.0.1 cannot be had" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_module(tmp_path / "nowhere")
    assert "nowhere is not a directory" in capsys.readouterr().err
