"""Forms of the admin that hold a key: a stored row is saved under its own, and what has another is not written."""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.urls import path

from django_avp import entities
from django_avp.admin import PolicyAdminSite, PolicyInlineModelAdmin, PolicyModelAdmin
from django_avp.runtime import runtime
from tests.testapp.models import Account, Badge, Document, Report

POLICIES = """
permit (
  principal,
  action in [
    PhotoFlash::Action::"OpenAdmin", PhotoFlash::Action::"ListReports",
    PhotoFlash::Action::"ViewAccount", PhotoFlash::Action::"EditAccount"
  ],
  resource
);
permit (principal, action in [PhotoFlash::Action::"ViewBadge", PhotoFlash::Action::"EditBadge"], resource)
when { resource.color == "red" };
permit (principal, action in [PhotoFlash::Action::"ViewReport", PhotoFlash::Action::"EditReport"], resource)
when { resource.kind == "draft" };
@id("makers") permit (
  principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|makers",
  action == PhotoFlash::Action::"CreateBadge",
  resource
);
"""


class Opened(PolicyAdminSite):
    avp_action = "OpenAdmin"


site = Opened()


@admin.register(Badge, site=site)
class BadgeAdmin(PolicyModelAdmin):
    save_as = True


@admin.register(Report, site=site)
class ReportAdmin(PolicyModelAdmin):
    """The key of the row in the parent's table is a field like others."""

    list_display = ("pk", "id", "kind")
    list_editable = ("id", "kind")
    fields = ("id", "kind")


class ReportInline(PolicyInlineModelAdmin, admin.TabularInline):
    model = Report
    fields = ("id", "kind")
    extra = 0


@admin.register(Account, site=site)
class AccountAdmin(PolicyModelAdmin):
    fields = ("name",)
    inlines = (ReportInline,)


urlpatterns = [path("admin/", site.urls)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def policies(settings, site, tmp_path):
    """What is red or a draft may be viewed and changed; nobody adds but makers, and they add badges."""
    (tmp_path / "admin.cedar").write_text(POLICIES)
    settings.AVP_POLICIES = tmp_path

    @entities.register(Badge)
    class BadgeEntity(entities.ModelEntity):
        attributes = ("color",)

    @entities.register(Document)
    class DocumentEntity(entities.ModelEntity):
        attributes = ("kind",)

    runtime.reset()
    yield
    entities.registry.unregister(Badge)
    entities.registry.unregister(Document)


@pytest.fixture
def ann(make_client, user):
    """A client of somebody who changes red badges and drafts."""
    user("ann")
    return make_client("ann")


@pytest.fixture
def badges():
    """A red badge, a blue one that is hidden, and a document that has none."""
    red, blue, none = (Document.objects.create() for _ in range(3))
    Badge.objects.create(document=red, color="red")
    Badge.objects.create(document=blue, color="blue")
    return red, blue, none


@pytest.fixture
def reports():
    """A report that is a draft, and one that is final and hidden, of one account."""
    account = Account.objects.create(name="a", slug="a")
    return [Report.objects.create(kind=kind, account=account) for kind in ("draft", "final")]


def colors():
    return dict(Badge.objects.values_list("document", "color"))


def kinds():
    return set(Document.objects.values_list("pk", "kind"))


def change(badge):
    return f"/admin/testapp/badge/{badge.pk}/change/"


def test_a_form_saves_a_stored_object_under_its_own_key(ann, badges):
    """With another it would write over a hidden row, or add one; both need a permission that was not asked about."""
    red, blue, none = badges

    for key in (blue.pk, none.pk):
        assert ann.post(change(red), {"document": key, "color": "green"}).status_code == 403
    assert colors() == {red.pk: "red", blue.pk: "blue"}
    assert ann.post(change(red), {"document": red.pk, "color": "green"}).status_code == 302
    assert colors() == {red.pk: "green", blue.pk: "blue"}


def test_a_new_object_has_the_key_that_was_sent(ann, make_client, badges, user):
    """Also a copy of a stored one; that is adding, which does not write over what is there."""
    red, blue, none = badges
    mia = make_client("mia", "makers")
    user("mia")
    copy = {"_saveasnew": "1", "color": "green"}

    assert ann.post(change(red), copy | {"document": none.pk}).status_code == 403
    assert mia.post(change(red), copy | {"document": blue.pk}).status_code == 200
    assert mia.post(change(red), copy | {"document": none.pk}).status_code == 302
    assert colors() == {red.pk: "red", blue.pk: "blue", none.pk: "green"}


def test_a_form_saves_the_row_of_a_parent_model_under_its_own_key(ann, reports):
    """A form may hold that key, too: the row is another one in the parent's table."""
    draft, final = reports

    for key in (final.pk, uuid.uuid4()):
        response = ann.post(f"/admin/testapp/report/{draft.pk}/change/", {"id": key, "kind": "draft"})
        assert response.status_code == 403
    assert kinds() == {(draft.pk, "draft"), (final.pk, "final")}


def test_rows_of_a_list_are_saved_under_their_own_keys(ann, reports):
    """What names the row in the form is one key, what would be written is another."""
    draft, final = reports
    data = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-document_ptr": draft.pk, "_save": "Save"}

    for key in (final.pk, uuid.uuid4()):
        response = ann.post("/admin/testapp/report/", data | {"form-0-id": key, "form-0-kind": "draft"})
        assert response.status_code == 200
        assert response.context["cl"].formset.non_form_errors() == ["The key of a row stays as it is."]
    assert kinds() == {(draft.pk, "draft"), (final.pk, "final")}
    response = ann.post("/admin/testapp/report/", data | {"form-0-id": draft.pk, "form-0-kind": "final"})
    assert response.status_code == 302
    assert kinds() == {(draft.pk, "final"), (final.pk, "final")}


def test_rows_of_an_inline_are_saved_under_their_own_keys(ann, reports):
    """The same on the page of their parent."""
    draft, final = reports
    data = {"name": "a", "report_set-TOTAL_FORMS": 1, "report_set-INITIAL_FORMS": 1, "report_set-0-account": "a"}
    data |= {"report_set-0-document_ptr": draft.pk, "report_set-0-kind": "draft"}
    address = f"/admin/testapp/account/{draft.account.pk}/change/"

    for key in (final.pk, uuid.uuid4()):
        response = ann.post(address, data | {"report_set-0-id": key})
        assert response.status_code == 200
        (inline,) = response.context["inline_admin_formsets"]
        assert inline.formset.non_form_errors() == ["The key of a row stays as it is."]
    assert kinds() == {(draft.pk, "draft"), (final.pk, "final")}
    response = ann.post(address, data | {"report_set-0-id": draft.pk, "report_set-0-kind": "final"})
    assert response.status_code == 302
    assert kinds() == {(draft.pk, "final"), (final.pk, "final")}
