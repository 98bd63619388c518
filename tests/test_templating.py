"""``{% can %}`` and Jinja2's ``can()``."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.template import Context, RequestContext, Template, TemplateSyntaxError
from django.utils.functional import SimpleLazyObject

from django_avp.authorization import Authorization
from django_avp.cedar import EntityUid
from django_avp.identity import Identity
from django_avp.jinja2 import environment
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of(rf, user):
    """A request with an authorization."""

    def make(sub, *groups):
        user(sub)
        request = rf.get("/")
        request.avp = Authorization(Identity.from_claims({"sub": sub, "cognito:groups": list(groups)}))
        return request

    return make


def shown(text, request, **context):
    return Template("{% load avp %}" + text).render(RequestContext(request, context))


def test_the_block_shows_one_of_two_parts(request_of, photo):
    """Allowed, or else."""
    text = '{% can "EditPhoto" photo %}edit{% else %}look{% endcan %}'

    assert shown(text, request_of("ann"), photo=photo) == "edit"
    assert shown(text, request_of("bob"), photo=photo) == "look"


def test_the_block_needs_no_else(request_of, photo):
    """Nothing is shown to the others."""
    text = '[{% can "EditPhoto" photo %}edit{% endcan %}]'

    assert shown(text, request_of("ann"), photo=photo) == "[edit]"
    assert shown(text, request_of("bob"), photo=photo) == "[]"


def test_the_short_form_keeps_the_decision(request_of, photo):
    """It is true or not, and tells its policies."""
    text = (
        '{% can "EditPhoto" photo as d %}{% if d %}{{ d.determining_policies.0 }}{% else %}{{ d.verdict }}{% endif %}'
    )

    assert shown(text, request_of("ann"), photo=photo) == "owner"
    assert shown(text, request_of("bob"), photo=photo) == "not_permitted"


def test_without_a_resource_it_is_about_the_application(request_of):
    """As ``request.avp.can`` has it."""
    assert shown('{% can "ListPhotos" %}yes{% endcan %}', request_of("ann")) == "yes"


def test_keywords_are_context(request_of, photo):
    """Values are resolved as everywhere in templates; the action may be a variable."""
    request = request_of("bob")

    assert shown('{% can "EditPhoto" photo mfa=True %}yes{% endcan %}', request, photo=photo) == "yes"
    assert shown(
        "{% can action photo mfa=x as d %}{{ d.verdict }}", request, photo=photo, action="EditPhoto", x=True
    ) == ("permitted")
    assert shown('{% can "EditPhoto" photo mfa=False %}yes{% endcan %}', request, photo=photo) == ""


@pytest.mark.parametrize("resource", ["missing", "nothing", "words", "photo.missing"])
def test_a_resource_that_is_missing_is_not_the_application(request_of, photo, resource, caplog):
    """A misspelt variable denies, and is logged."""
    text = '{% can "Moderate" ' + resource + " %}yes{% endcan %}"

    assert shown(text, request_of("mona", "moderators"), photo=photo, nothing=None, words="x") == ""
    assert "avp.template_without_resource" in caplog.messages


def test_a_context_that_forges_an_entity_is_refused(request_of, caplog):
    """It may come from the request (rule A6)."""
    text = '{% can "ListPhotos" note=data as d %}{{ d.verdict }}'

    assert shown(text, request_of("ann"), data={"__entity": {"type": "User", "id": "x"}}) == "undecided"
    assert "avp.context_refused" in caplog.messages


def test_without_a_request_nobody_is_identified(photo, caplog):
    """An e-mail has no reader yet."""
    template = Template('{% load avp %}{% can "ViewPhoto" photo %}yes{% else %}no{% endcan %}')

    assert template.render(Context({"photo": photo})) == "no"
    assert "avp.template_without_request" in caplog.messages


def test_the_request_may_be_a_variable(request_of, photo):
    """Where a plain context is rendered with the request in it."""
    template = Template('{% load avp %}{% can "EditPhoto" photo %}yes{% endcan %}')

    assert template.render(Context({"photo": photo, "request": request_of("ann")})) == "yes"


def test_a_lazy_resource_is_what_it_wraps(request_of, photo):
    """Such as a lazily loaded object of a view."""
    lazy = SimpleLazyObject(lambda: Photo.objects.get(pk=photo.pk))

    assert shown('{% can "EditPhoto" photo %}yes{% endcan %}', request_of("ann"), photo=lazy) == "yes"


def test_an_entity_id_is_a_resource(request_of, photo):
    """Not everything is a row at hand."""
    uid = EntityUid("Photo", str(photo.pk))

    assert shown('{% can "EditPhoto" photo %}yes{% endcan %}', request_of("ann"), photo=uid) == "yes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% can %}", "takes an action"),
        ("{% can as x %}", "takes an action"),
        ('{% can "A" b c %}{% endcan %}', "at most one resource"),
        ('{% can "A" b c=1 d %}{% endcan %}', "at most one resource"),
        ('{% can "A" b %}', "endcan"),
    ],
)
def test_a_tag_that_is_wrong_is_a_syntax_error(text, message):
    """Found when the template is compiled, with the right form in the message."""
    with pytest.raises(TemplateSyntaxError, match=message):
        Template("{% load avp %}" + text)


def test_tags_are_nodes_that_tools_can_walk():
    """Both parts are child nodes, and repr names the action."""
    template = Template('{% load avp %}{% can "A" b %}{{ x }}{% else %}{{ y }}{% endcan %}')
    (node,) = [node for node in template.nodelist if type(node).__name__ == "CanNode"]

    assert len(node.nodelist_true) == len(node.nodelist_false) == 1
    assert repr(node) == '<CanNode: "A">'


def test_jinja2_has_the_same_function(request_of, photo):
    """One implementation, two languages."""
    env = environment(autoescape=True)
    text = "{% if can('EditPhoto', photo) %}edit{% endif %}{{ can('EditPhoto', photo, mfa=True).verdict }}"
    template = env.from_string(text)

    assert template.render(request=request_of("ann"), photo=photo) == "editpermitted"
    assert template.render(request=request_of("bob"), photo=photo) == "permitted"
    assert env.from_string("{{ can('ListPhotos').verdict }}").render(request=request_of("ann")) == "permitted"
    assert env.from_string("{{ can('ListPhotos', x).verdict }}").render(request=request_of("ann")) == "undecided"
    assert env.from_string("{{ can('ListPhotos').verdict }}").render() == "not_permitted"


def test_jinja2_takes_one_resource(request_of, photo):
    """As the tag does: a second one would go unasked."""
    template = environment().from_string('{{ can("EditPhoto", photo, photo) }}')
    with pytest.raises(TypeError, match="at most one resource"):
        template.render(request=request_of("ann"), photo=photo)


def test_users_are_resources_only_under_a_type_of_their_own(request_of):
    """A user is a principal (rule A3)."""
    with pytest.raises(Exception, match="not registered"):
        shown('{% can "ViewPhoto" who %}{% endcan %}', request_of("ann"), who=get_user_model().objects.get())
