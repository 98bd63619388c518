"""The test kit for unittest, used as its users use it."""

# ruff: noqa: PT009, PT027 - as users of unittest write it
from __future__ import annotations

import unittest

from django.conf import settings
from django.test import SimpleTestCase, TestCase

from django_avp.authorization import Authorization
from django_avp.runtime import runtime
from django_avp.testing import AuthorizationTestMixin
from tests.conftest import POOL
from tests.testapp.models import Photo


class Own(AuthorizationTestMixin, TestCase):
    """A test case of a site."""

    def test_clients_carry_tokens_that_the_site_trusts(self):
        """Of whoever is asked for; a token alone does the same."""
        self.assertEqual(self.avp_client("ann").get("/open/").content, f"hello {POOL}|ann".encode())
        headers = {"Authorization": f"Bearer {self.avp_token('bob')}"}
        self.assertEqual(self.client.get("/open/", headers=headers).content, f"hello {POOL}|bob".encode())

    async def test_async_clients_carry_them_too(self):
        """For async views."""
        self.assertEqual((await self.avp_async_client("ann").get("/aphotos/1/")).status_code, 404)

    def test_decisions_hold_for_a_block(self):
        """Allowed and denied beforehand."""
        ann, photo = self.avp_identity("ann"), Photo.objects.create()
        with self.avp_allow("EditPhoto", photo), self.avp_deny("ListPhotos"):
            self.assertTrue(Authorization(ann).can("EditPhoto", photo))
            self.assertFalse(Authorization(ann).can("ListPhotos"))

    def test_rounds_and_calls_are_asserted(self):
        """In one block, by both numbers."""
        with self.assertAvpRounds(1), self.assertAvpCalls(1):
            self.avp_client("ann").get("/photos/")
        with self.assertRaises(AssertionError), self.assertAvpRounds(0):
            self.avp_client("ann").get("/photos/")

    def test_a_local_endpoint_decides_in_a_block(self):
        """And Cedar in process again after it."""
        with self.avp_server() as endpoint:
            self.assertEqual(self.avp_client("ann").get("/photos/").status_code, 200)
            asked = len(endpoint.calls)
            self.assertGreater(asked, 0)
        self.assertEqual(self.avp_client("ann").get("/photos/").status_code, 200)
        self.assertEqual(len(endpoint.calls), asked)


class Site(SimpleTestCase):
    """What a test leaves behind."""

    def test_nothing_is_left_behind(self):
        """Settings and engine are those from before, whatever the test has done."""

        class Case(AuthorizationTestMixin, SimpleTestCase):
            def test_it(self):
                seen.append((settings.AVP_JWKS, runtime.engine))
                raise ValueError

        seen, before = [], settings.AVP_JWKS
        result = unittest.TestResult()
        Case("test_it").run(result)

        self.assertEqual(len(result.errors), 1)
        self.assertEqual(settings.AVP_JWKS, before)
        self.assertNotEqual(seen[0][0], before)
        self.assertIsNot(runtime.engine, seen[0][1])
