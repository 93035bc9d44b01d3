"""`changes` beside everything that hides, shows and deletes, in random histories, with sweeps between the pages of a walk.

An app keeps what it is told. It is never told that something is gone which it was told to be gone already and which nobody could
have seen since; and when all is told, it keeps what there is.
"""

import random
import uuid
from collections.abc import Callable, Iterator

import pytest

from backend.coauthors.models import Invitation
from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from backend.notifications.models import Notification
from backend.people.models import Departure, Person
from backend.stories.models import Chapter, Story
from schema.nodes import from_id, to_id
from tests import depth
from tests.api import PASSWORD, ApiClient
from tests.schema.test_changes import asked, begun
from tests.working import work_off

pytestmark = pytest.mark.django_db(transaction=True)

ACTS = 30
CHAPTER = to_id("Chapter", uuid.UUID(int=0))[:10]
"""How the ids of chapters begin."""
NODES = "query ($i: [ID!]!) { nodes(ids: $i) { ... on Versioned { version } } }"


class App:
    """What bilal's app keeps, by id: the version, None of what it was told to be gone."""

    def __init__(self, owner: ApiClient) -> None:
        self.owner, self.cursor, self.has_more = owner, begun(owner), False
        self.kept: dict[str, str | None] = {}
        self.moment = self.walk_began = 0
        self.last_seen: dict[str, int] = {}
        """When each was to be seen last."""
        self.told_gone: dict[str, int] = {}
        """When the walk began in which the app was told that it is gone: whatever was hidden after that, the next one tells."""

    def look(self) -> dict[str, str | None]:
        """What there is of what was ever kept."""
        self.moment += 1
        known = {*self.kept, *self._others()}
        found = self.owner.ask(NODES, i=list(known))["nodes"]
        present = {id_: one and one["version"] for id_, one in zip(known, found, strict=True)}
        self.last_seen |= {id_: self.moment for id_, version in present.items() if version is not None}
        return {id_: present[id_] for id_ in self.kept}

    def _others(self) -> Iterator[str]:
        """What may be told that was not yet."""
        me = self.owner.person.pk
        for model in (Notification, Invitation, Story, Chapter, Person):
            yield from (to_id(model.__name__, key) for key in model.objects.values_list("pk", flat=True))
        for name, model in (("Reading", Story), ("Relationship", Person)):
            yield from (to_id(name, me, key) for key in model.objects.exclude(pk=me).values_list("pk", flat=True))

    def read(self, first: int) -> None:
        """A page."""
        self.walk_began = self.walk_began if self.has_more else self.moment
        page = asked(self.owner, self.cursor, first)
        for one in page["changes"]:
            if one["thing"] is None and one["id"] in self.kept and self.kept[one["id"]] is None:
                assert self.last_seen.get(one["id"], 0) >= self.told_gone[one["id"]], f"told again: {one['id']}"
            self.kept[one["id"]] = one["version"]
            if one["thing"] is None:
                self.told_gone[one["id"]] = self.walk_began
        self.cursor, self.has_more = page["cursor"], page["hasMore"]


def is_there(one: ApiClient) -> bool:
    """Whether they have not left."""
    return not Departure.objects.filter(pk=one.person.pk).exists()


class World:
    """A story of asha's, and whom else it may come to; what they and bilal may do, as far as they may."""

    def __init__(self, asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
        self.authors, self.bilal = [asha, chitra], bilal
        bilal.follow(asha)
        self.app = App(bilal)
        self.story = asha.published_story(chapters=2)["id"]
        work_off()
        bilal.record_view(self.story)
        self.app.look()
        often = [self.publish, self.unpublish, self.block, self.unblock, self.sweep, *[self.page] * 6] * 2
        self.acts: list[Callable[[], object]] = [
            *often,
            *[self.sweep] * 4,
            self.publish,
            self.edit,
            self.view,
            work_off,
        ]
        self.acts += [self.join, self.part, self.hand_over, self.delete, self.leave]

    @property
    def author(self) -> ApiClient | None:
        """Whose it is, if they have not left."""
        there = (one for one in self.authors if is_there(one))
        return next((one for one in there if (one.story_as_found(self.story) or {}).get("viewerRight") == "OWN"), None)

    def publish(self) -> None:
        if author := self.author:
            author.publish(self.story, author.version_of(self.story))

    def unpublish(self) -> None:
        if author := self.author:
            author.unpublish(self.story, author.version_of(self.story))

    def edit(self) -> None:
        if author := self.author:
            author.append(self.story)

    def block(self) -> None:
        self._of_two(lambda one, other: one.block(other))

    def unblock(self) -> None:
        self._of_two(lambda one, other: one.unblock(other, (one.relationship(other) or {"version": "0"})["version"]))

    def _of_two(self, act: Callable[[ApiClient, ApiClient], object]) -> None:
        """Of bilal and an author. What he writes himself is told, also if it is hidden from him: he leaves that."""
        author = random.choice(self.authors)
        if random.random() < 0.6 and is_there(author):
            act(author, self.bilal)
        elif self.bilal.ask(NODES, i=[author.id])["nodes"][0] is not None:
            act(self.bilal, author)

    def view(self) -> None:
        self.bilal.record_view(self.story, None, policy="FURTHEST")

    def join(self) -> None:
        self._offer(self.bilal, "WRITE")

    def part(self) -> None:
        if author := self.author:
            author.remove_coauthor(self.story, self.bilal, author.version_of(self.story))

    def hand_over(self) -> None:
        self._offer(random.choice(self.authors), "OWN")

    def _offer(self, whom: ApiClient, right: str) -> None:
        if author := self.author:
            made = author.invite(self.story, whom, author.version_of(self.story), right)
            if "invitation" in made:
                whom.accept(made["invitation"]["id"])

    def delete(self) -> None:
        if (author := self.author) and random.random() < 0.3:
            author.delete_story(self.story, author.version_of(self.story))

    def leave(self) -> None:
        if author := self.author:
            author.delete_account(PASSWORD)

    def sweep(self) -> None:
        for gone in Departure.objects.filter(done=False).values_list("pk", flat=True):
            unit_of_work(lambda gone=gone: sweeping.sweep_some(gone))

    def page(self) -> None:
        self.app.read(random.choice([1, 1, 2, 3, 100]))

    def end(self) -> None:
        """Sweep all, and read what there is to be read."""
        for gone in Departure.objects.filter(done=False).values_list("pk", flat=True):
            sweeping.sweep(gone)
        self.app.read(100)
        while self.app.has_more:
            self.app.read(100)
        self.app.read(100)


@pytest.mark.parametrize("seed", range(depth.rounds(200, at_least=20)))
def test_an_app_keeps_what_there_is(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, seed: int) -> None:
    """Whatever comes between two pages. Of chapters readers are not told, which those are who write the story no more."""
    random.seed(seed)
    world, did = World(asha, bilal, chitra), []
    try:
        for _ in range(ACTS):
            act = random.choice(world.acts)
            did.append(act.__name__)
            act()
            world.app.look()
        world.end()
        there, kept = world.app.look(), world.app.kept
        wrong = {id_ for id_ in kept if kept[id_] != there[id_] and not id_.startswith(CHAPTER)}
        assert not wrong, f"kept, and there: {[(id_, kept[id_], there[id_]) for id_ in wrong]}"
    except AssertionError as error:
        text = str(error)
        for id_ in world.app.kept:
            text = text.replace(id_, str(from_id(id_)))
        raise AssertionError(f"{did}\n{text}") from None
