"""Tables of policy tests in YAML: what cases they make, and which line a mistake is on."""

from __future__ import annotations

import pytest

from django_avp.exceptions import PolicyError
from django_avp.testing.policy_yaml import read_cases

TABLE = """\
pool: eu-west-1_AbCdEf123
principals:
  ann:
  mia: {groups: [moderators]}
entities:
  Photo::"dawn":
    attributes: &photo {owner: ann, tags: [], viewers: [], commenters: [], is_public: false, likes: 0}
  Photo::"noon":
    attributes:
      <<: *photo
      is_public: true
      taken: 2026-06-01T06:40:00Z
cases:
  - [ann, EditPhoto, Photo::"dawn", allow]
  - [[ann, mia], [DeletePhoto, ViewPhoto], [Photo::"dawn", Photo::"noon"], true]
  - name: entering
    principal: {sub: bob}
    action: ListPhotos
    expected: allow
    policies: [everybody-lists]
  - {principal: mia, action: EditPhoto, resource: Photo::"noon", expected: allow, context: {mfa: true}, errors: []}
"""


@pytest.fixture
def table(tmp_path):
    """A file that the tests write."""
    return tmp_path / "test_photos.avp.yaml"


def test_a_row_or_a_mapping_is_a_case_and_a_list_is_several(table):
    """Each has a name that can be selected, and the line that it stands on."""
    table.write_text(TABLE)

    cases = read_cases(table)

    assert [(case.line, case.name) for case in cases] == [
        (14, "ann-EditPhoto-Photo-dawn-allow"),
        *(
            (15, f"{principal}-{action}-Photo-{photo}-True")
            for principal in ("ann", "mia")
            for action in ("DeletePhoto", "ViewPhoto")
            for photo in ("dawn", "noon")
        ),
        (16, "entering-sub-ListPhotos-allow"),
        (21, "mia-EditPhoto-Photo-noon-allow"),
    ]


def test_cases_are_decided(table):
    """Most of them as expected, one not."""
    table.write_text(TABLE)
    failed = []

    for case in read_cases(table):
        try:
            case.check()
        except AssertionError:
            failed.append(case.name)

    assert failed == ["mia-ViewPhoto-Photo-dawn-True"]


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("", 1, "cases: a list is needed"),
        ("principals: {}\ncases: []\nentities: {}\n", 2, "cases: a list is needed"),
        ("cases:\n  - [a, [b, c], [], allow]\n", 2, "case: resource is an empty list, so that nothing is tested"),
        ("cases:\n  - {principal: [], action: b, expected: allow}\n", 2, "case: principal is an empty list"),
        ("- ann\n", 1, "a table of policy tests: names with values below them are needed"),
        ("principals: {}\nentity: {}\n", 2, "a table of policy tests: 'entity' means nothing here. Known are pool"),
        ("principals: {}\nprincipals: {}\ncases: []\n", 2, "not such YAML: principals is there twice"),
        ("principals:\n  ann:\n  bob:\n  ann:\ncases: []\n", 4, "not such YAML: ann is there twice"),
        ("principals:\n  ann:\n    sub: a\n    sub: b\ncases: []\n", 4, "not such YAML: sub is there twice"),
        ("principals:\n  ann: [\n", 3, "not such YAML: expected the node content"),
        ("principals:\n  ann: !python/name:os.system\n", 2, "not such YAML: could not determine a constructor"),
        ("principals:\n  ann: {}\n  bob: {group: x}\ncases: []\n", 3, "bob: 'group' means nothing here"),
        ("principals:\n  - ann\ncases: []\n", 2, "principals: names with values below them are needed"),
        ('entities:\n  Photo::"x":\n    attributes: {likes: 0}\ncases: []\n', 2, "lacks commenters"),
        ("cases:\n  - \x01\n", 2, "not such YAML: special characters are not allowed"),
        ("cases:\n  - [ann, EditPhoto]\n", 2, "case: a row has principal, action, resource, expected"),
        ("cases:\n  - ann\n", 2, "case: name, principal, action"),
        ("cases:\n\n  - {principal: ann, action: EditPhoto}\n", 3, "case: expected is missing"),
        ("cases:\n  - {principal: a, action: b, expected: allow, when: c}\n", 2, "case: 'when' means nothing here"),
    ],
)
def test_a_mistake_is_told_with_its_line(table, text, line, cause):
    """Whether it is one of YAML, of the table, or of an entity."""
    table.write_text(text)

    with pytest.raises(PolicyError) as refused:
        read_cases(table)

    assert str(refused.value).startswith(f"{table}:{line}: ")
    assert cause in str(refused.value)
