"""``manage.py avp_serve``: the project's policies, as Amazon Verified Permissions would serve them."""

from __future__ import annotations

import _thread
import re
import threading
from io import StringIO

import boto3
import pytest
from django.core.management import CommandError, call_command

ITEM = {
    "action": {"actionType": "PhotoFlash::Action", "actionId": "ListPhotos"},
    "resource": {"entityType": "PhotoFlash::Application", "entityId": "default"},
}


class Announced(StringIO):
    """Output that tells when there is an address in it."""

    def __init__(self):
        super().__init__()
        self.address = threading.Event()

    def flush(self):
        super().flush()
        if "http://" in self.getvalue():
            self.address.set()


def test_it_serves_until_it_is_interrupted(mint):
    """It says where, answers an SDK, and ends with Ctrl-C."""
    out, answers = Announced(), []

    def ask():
        try:
            assert out.address.wait(10)
            client = boto3.client(
                "verifiedpermissions",
                endpoint_url=re.search(r"http://127\.0\.0\.1:\d+", out.getvalue())[0],
                region_name="eu-west-1",
                aws_access_key_id="x",
                aws_secret_access_key="x",
            )
            answers.append(
                client.is_authorized_with_token(policyStoreId="mine", identityToken=mint.id_token("ann"), **ITEM)
            )
        finally:
            _thread.interrupt_main()

    asking = threading.Thread(target=ask)
    asking.start()
    call_command("avp_serve", "--port=0", "--policy-store-id=mine", stdout=out)
    asking.join(10)

    assert answers[0]["decision"] == "ALLOW"
    assert "Policy store 'mine' at" in out.getvalue()


def test_what_it_lacks_is_told(settings, tmp_path):
    """Policies, or the keys that verify tokens."""
    settings.AVP_JWKS = None
    with pytest.raises(CommandError, match="AVP_JWKS is missing"):
        call_command("avp_serve", "--port=0")
    settings.AVP_POLICIES = tmp_path
    with pytest.raises(CommandError, match="No policy found"):
        call_command("avp_serve", "--port=0")
