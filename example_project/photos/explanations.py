"""What actions and policies are called when people are told about a decision."""

from __future__ import annotations

from dataclasses import dataclass

PHRASES = {
    "ListPhotos": "open the gallery",
    "ViewAlbum": "see this album",
    "UploadPhoto": "upload to this album",
    "ViewPhoto": "see this photo",
    "EditPhoto": "edit this photo",
    "DeletePhoto": "delete this photo",
}

REASONS = {
    "members-may-enter": "Everybody who is signed in may open the gallery.",
    "viewers-see-public": "It is public, and you are a viewer.",
    "press-is-open": "It is tagged “press”, which opens it to everybody who is signed in.",
    "own-photos": "The photo is yours.",
    "own-albums": "The album is yours.",
    "account-owners": "You are an owner of the account that the album belongs to.",
    "contributors-upload": "You are a contributor, and the album is public.",
    "moderators-remove": "You are a moderator, and the photo is public.",
    "share-studio-drafts-with-victor": "The album was shared with you.",
    "share-front-pages-with-carlos": "The album was shared with you.",
    "archived-stays": "The album is archived: nothing in it may change.",
    "suspended-no-changes": "Your account is suspended.",
    "suspended-see-own": "Your account is suspended: you see photos of your own only.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A policy that took part in a decision; ``reason`` is empty for one that this site does not know."""

    policy_id: str
    reason: str


def explain(policy_id: str) -> Explanation:
    """Put a determining policy into words."""
    return Explanation(policy_id, REASONS.get(policy_id, ""))
