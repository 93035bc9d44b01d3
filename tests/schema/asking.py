"""What each viewer sends for each row of the tables of docs/access.md."""

import uuid
from typing import Any

from schema.nodes import to_id
from tests.api import PASSWORD, ApiClient
from tests.nouns import merged
from tests.schema import mutation_fixture
from tests.schema.access_fixture import MISSING, AccessFixture, Row, between, key_in, kind_of, to_shelf

DOCUMENTS = {**mutation_fixture.MUTATIONS, "signOut": "mutation { signOut }"}
PATCHES = {"updateStory": {"title": "New"}, "updateChapter": {"title": "New"}}
CHAPTER = {"title": "One", "body": "Text."}
PLAIN: dict[str, dict[str, Any]] = {
    "createWhisper": {"text": "Psst."},
    "createStory": {"input": {"title": "A story", "chapters": [CHAPTER]}},
    "updateProfile": {"patch": {"name": "New"}},
    "recordViews": {"views": []},
    "endSession": {},
    "signOut": {},
    "changePassword": {"current": PASSWORD, "new": "another good password"},
    "deleteAccount": {"password": "another good password"},  # it comes after the change
}
"""Arguments of mutations that name nothing, but for what they expect."""
MORE: dict[str, Any] = {
    "appendChapter": {"chapter": CHAPTER},
    "createEdition": {"title": "New", "priceCents": 5, "stock": 3},
    "adjustStock": {"delta": 2},
    "setStock": {"to": 9},
    "report": {"reason": "Look at this."},
    "resolveReport": {"outcome": "DISMISSED"},
    **{name: {"patch": patch} for name, patch in PATCHES.items()},
    **merged("MORE"),
}
"""Arguments beside the id, or what gives them."""


def sent(scene: AccessFixture, row: Row, viewer: str) -> dict[str, Any]:
    """The arguments with which this viewer calls the row's mutation on the row's thing, at its present version."""
    name, caller = row.what, scene.callers[viewer]
    if name == "signUp":
        return {"handle": f"new-{viewer.replace(' ', '-')}", "name": "New", "password": PASSWORD}
    if name == "signIn":
        return {"handle": "the-stranger" if caller.person is None else caller.person.handle, "password": PASSWORD}
    arguments = {**(PLAIN[name] if name in PLAIN else _about(scene, row, scene.ids[row.names[0]](caller)))}
    if name in mutation_fixture.CONDITIONED:
        arguments["expect"] = {"version": _version(scene, row, caller)}
    if name in mutation_fixture.KEYED:
        arguments["key"] = str(uuid.uuid4())
    return arguments


def missing(scene: AccessFixture, row: Row, viewer: str) -> dict[str, Any]:
    """The same arguments for a thing that there never was."""
    if not row.names:
        return {}
    id_ = to_id(kind_of(row.names[0]), MISSING)
    return {**sent(scene, row, viewer), **_about(scene, row, id_)}


def outcome(answer: Any, name: str) -> str:
    """What became of a mutation, in the table's words."""
    if "errors" in answer:
        return str(answer["errors"][0]["extensions"]["code"])
    value = answer["data"][name]
    return str(value["code"]) if isinstance(value, dict) and "code" in value else "✓"


def _about(scene: AccessFixture, row: Row, id_: str) -> dict[str, Any]:
    name = row.what
    if name == "placeOrder":
        return {"lines": [{"edition": id_, "quantity": 1}]}
    if name == "reorderChapters":
        return {"story": id_, "order": scene.order[row.names[0]]}
    more = {"to": row.names[1]} if name == "updateOrder" else MORE.get(name, {})
    if callable(more):
        more = more(scene)
    argument = "subject" if name == "report" else mutation_fixture.BY_ID[name][0]
    return {argument: id_, **more}


def _version(scene: AccessFixture, row: Row, caller: ApiClient) -> str:
    me = caller if caller.person else scene.callers["stranger"]
    own = {
        **dict.fromkeys(mutation_fixture.RELATIONSHIPS, between("Relationship", me, scene.author.person.pk)),
        "recordView": between("Reading", me, key_in(scene.ids[row.names[0]](me))) if row.names else None,
        "createStory": to_shelf(me),
        "updateProfile": me.id,
        "restoreRevision": scene.restored,
    }
    for name, of in merged("EXPECTED").items():
        own[name] = of(me, scene.ids[row.names[0]](me)) if row.what == name else None
    return scene.version(own.get(row.what) or scene.ids[row.names[0]](caller), me)
