"""The policies of the site: ten about a page, and any number that say nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["POLICIES", "POOL", "READING_ALL", "SCHEMA", "fillers", "mixture"]

POOL = "eu-west-1_AbCdEf123"

SCHEMA = """
namespace PhotoFlash {
  entity Group;
  entity User in [Group];
  entity Album;
  entity Photo in [Album] = { title: String, owner: User, is_public: Bool, likes: Long, created: datetime };
  action ReadOnly, Write;
  action ViewPhoto in [ReadOnly] appliesTo { principal: User, resource: Photo };
  action EditPhoto, DeletePhoto in [Write] appliesTo { principal: User, resource: Photo };
}
"""
# Named one by one: without a schema, with which our engine decides, cedarpy knows no groups of actions.
WRITE = 'PhotoFlash::Action::"EditPhoto", PhotoFlash::Action::"DeletePhoto"'
# Ten policies, which read two of a photo's five attributes …
POLICIES = f"""
@id("own-photos")
permit (principal, action in [PhotoFlash::Action::"ViewPhoto", {WRITE}], resource)
when {{ resource.owner == principal }};
@id("public-is-seen")
permit (principal, action == PhotoFlash::Action::"ViewPhoto", resource) when {{ resource.is_public }};
@id("editors-edit-what-is-public")
permit (principal in PhotoFlash::Group::"{POOL}|editors", action == PhotoFlash::Action::"EditPhoto", resource)
when {{ resource.is_public }};
@id("moderators-delete-what-is-public")
permit (principal in PhotoFlash::Group::"{POOL}|moderators", action == PhotoFlash::Action::"DeletePhoto", resource)
when {{ resource.is_public }};
@id("family-sees-its-album")
permit (principal in PhotoFlash::Group::"{POOL}|family", action == PhotoFlash::Action::"ViewPhoto",
resource in PhotoFlash::Album::"family");
@id("press-sees-its-album")
permit (principal in PhotoFlash::Group::"{POOL}|press", action == PhotoFlash::Action::"ViewPhoto",
resource in PhotoFlash::Album::"press");
@id("shared-with-bob")
permit (principal == PhotoFlash::User::"{POOL}|bob", action == PhotoFlash::Action::"ViewPhoto",
resource in PhotoFlash::Album::"drafts");
@id("archived-stays")
forbid (principal, action in [{WRITE}], resource in PhotoFlash::Album::"archive");
@id("suspended-change-nothing")
forbid (principal in PhotoFlash::Group::"{POOL}|suspended", action in [{WRITE}], resource);
@id("kept-for-a-trial")
forbid (principal, action == PhotoFlash::Action::"DeletePhoto", resource == PhotoFlash::Photo::"1");
"""
# … and ten that read all five, and allow the same.
READING_ALL = (
    POLICIES.replace(
        'action == PhotoFlash::Action::"ViewPhoto", resource) when { resource.is_public }',
        'action == PhotoFlash::Action::"ViewPhoto", resource)\n'
        'when { resource.is_public && resource.created < datetime("2030-01-01") }',
    )
    .replace(
        '"EditPhoto", resource)\nwhen { resource.is_public }',
        '"EditPhoto", resource)\nwhen { resource.is_public && resource.likes < 1000 }',
    )
    .replace(
        'resource in PhotoFlash::Album::"family")',
        'resource in PhotoFlash::Album::"family")\nwhen { !(resource.title like "draft*") }',
    )
)


def fillers(number: int) -> Iterator[str]:
    """Policies about one other principal and one other photo each, which say nothing of a page."""
    for one in range(number):
        yield (
            f'@id("share-{one}") permit (principal == PhotoFlash::User::"{POOL}|user-{one}", action, '
            f'resource == PhotoFlash::Photo::"{100_000 + one}");'
        )


def mixture(number: int) -> Iterator[str]:
    """Policies of every scope about other principals and other photos."""
    user, team = f'PhotoFlash::User::"{POOL}|user-{{0}}"', f'PhotoFlash::Group::"{POOL}|team-{{0}}"'
    album, photo = 'PhotoFlash::Album::"album-{0}"', 'PhotoFlash::Photo::"10{0}"'
    forms = (
        f"permit (principal == {user}, action, resource == {photo});",
        f'permit (principal in {team}, action == PhotoFlash::Action::"ViewPhoto", resource in {album});',
        f"permit (principal is PhotoFlash::User in {team}, action, resource is PhotoFlash::Photo in {album});",
        f'forbid (principal in {team}, action in PhotoFlash::Action::"Write", resource in {album});',
        f"permit (principal in {team}, action, resource is PhotoFlash::Photo) when {{{{ resource.likes > {{0}} }}}};",
    )
    for one in range(number):
        yield f'@id("rule-{one}") {forms[one % len(forms)].format(one)}'
