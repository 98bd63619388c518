"""What holds in a project of another shape: ``tests/test_elsewhere.py`` runs this with the settings beside it."""

from __future__ import annotations

import datetime
import io
import json

import pytest
from django.core.management import call_command
from django.test import Client

from django_avp.authorization import Authorization
from django_avp.entities import registry
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.testing import TokenMint
from tests.elsewhere.accounts.models import Member
from tests.elsewhere.legal.models import Clause, Signature
from tests.elsewhere.legal.models import Document as Contract
from tests.elsewhere.wiki.models import Document as Page
from tests.elsewhere.wiki.models import Draft

pytestmark = pytest.mark.django_db
POOL = "eu-west-1_AbCdEf123"
POLICIES = """
@id("authors")
permit (principal, action == Action::"Read", resource is Page)
when { resource.author == principal || resource.readers.contains(principal) };

@id("public-tree")
permit (principal, action == Action::"Read", resource in Clause::"1");

@id("secrets")
forbid (principal, action, resource is Page)
when { resource has node && resource.node.is_secret };

@id("signers")
permit (principal, action == Action::"Sign", resource is Contract)
when { resource.signers.contains(principal) && principal has email };
"""


@pytest.fixture(autouse=True)
def project(settings, tmp_path):
    """The project's policies, with the schema that avp_schema makes of it."""
    (tmp_path / "policies.cedar").write_text(POLICIES)
    settings.AVP_POLICIES = tmp_path
    runtime.reset()
    call_command("avp_schema", stdout=io.StringIO())
    return tmp_path


@pytest.fixture
def members():
    """Ann and Bob."""
    return [Member.objects.create(email=f"{sub}@example.com", principal_id=f"{POOL}|{sub}") for sub in ("ann", "bob")]


def authorize(sub, **claims):
    return Authorization(Identity.from_claims({"sub": sub, "aud": "client-1", **claims}))


def test_the_schema_validates_and_is_stable(project):
    """Types of their own, users as principals, the tree in itself; nothing more to write, and no findings."""
    text = (project / "schema.cedarschema").read_text()

    assert "entity Member in [Team] = {\n  email?: String,\n};" in text
    assert "entity Clause in [Clause] = {\n  is_secret: Bool,\n};" in text
    assert (
        "entity Contract in [Clause] = {\n  signed: Set<datetime>,\n  signers: Set<Member>,\n  title: String,\n};"
        in text
    )
    assert (
        "entity Page in [Clause] = {\n  author: Member,\n  length: Long,\n  node?: Clause,\n  readers: Set<Member>,\n"
        "  title: String,\n};"
    ) in text
    assert "action Read appliesTo {\n  principal: [Member],\n  resource: [Page],\n  context: Context,\n};" in text
    call_command("avp_schema", "--check", stdout=io.StringIO())
    call_command("avp_validate", "--fix", "--fail-level", "warning")
    call_command("check", fail_level="ERROR", stdout=io.StringIO(), stderr=io.StringIO())


def test_a_name_that_two_models_have_tells_nothing(project, settings, capsys):
    """What a template calls a document may be either, so its action is applied to every type."""
    (project / "print.html").write_text('{% load avp %}{% can "Print" document %}{% endcan %}')
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [project]}]

    call_command("avp_schema", "--print")

    assert "action Print appliesTo {\n  principal: [Member],\n  resource: [Clause, Contract, Page],\n" in (
        capsys.readouterr().out
    )


def test_two_models_of_one_name_are_two_types(members):
    """And a proxy is what it is a proxy of."""
    ann, _ = members
    page, contract = Page.objects.create(title="p", author=ann), Contract.objects.create(title="c")

    assert str(registry.uid(page)) == f'Page::"{page.pk}"'
    assert str(registry.uid(Draft.objects.get())) == f'Page::"{page.pk}"'
    assert str(registry.uid(contract)) == f'Contract::"{contract.pk}"'
    assert str(registry.reference(ann)) == f'Member::"{POOL}|ann"'


def test_checks_lists_and_pages_agree(members, settings):
    """One by one, in a query, and over HTTP: users by their principal id, a tree that was swapped in, a Set."""
    ann, bob = members
    root = Clause.objects.create(pk=1, title="root")
    secret = Clause.objects.create(title="secret", parent=root, is_secret=True)
    leaf = Clause.objects.create(title="leaf", parent=Clause.objects.create(title="inner", parent=root))
    pages = [Page.objects.create(title="p", author=ann, node=node) for node in (None, root, secret, leaf)]
    pages[0].readers.add(bob)

    for sub, expected in (("ann", [0, 1, 3]), ("bob", [0, 1, 3]), ("eve", [1, 3])):
        Member.objects.get_or_create(email=f"{sub}@example.com", defaults={"principal_id": f"{POOL}|{sub}"})
        wanted = {pages[number].pk for number in expected}
        assert {page.pk for page in pages if authorize(sub).can("Read", page)} == wanted
        assert set(authorize(sub).permitted("Read", Page.objects.all()).values_list("pk", flat=True)) == wanted
        assert set(authorize(sub).permitted("Read", Draft.objects.all()).values_list("pk", flat=True)) == wanted
    mint = TokenMint(pool=POOL, client_id="client-1")
    settings.AVP_JWKS = mint.jwks
    runtime.reset()
    client = Client(headers={"Authorization": f"Bearer {mint.id_token('eve')}"})
    assert [client.get(f"/pages/{page.pk}/").status_code for page in pages] == [403, 200, 403, 200]


def test_decisions_are_explained(members):
    """For what is denied, the condition that failed; for what is permitted, the policy."""
    ann, bob = members
    contract = Contract.objects.create(title="c")
    Signature.objects.create(document=contract, member=ann, on=datetime.date(2026, 1, 1))
    page = Page.objects.create(title="p", author=ann)

    permitted = authorize("ann", email="a").explain("Sign", contract)
    assert permitted.decision
    assert "signers" in str(permitted)
    denied = str(authorize("bob").explain("Read", page))
    assert "resource.author == principal" in denied
    out = io.StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("avp_explain", bob.principal_id, "Read", f'Page::"{page.pk}"', "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["verdict"] == "not_permitted"
