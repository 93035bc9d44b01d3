"""People, and what they do to one another, so that each answer of a read has somebody for whom it is another one."""

import uuid
from typing import Any

from backend.engine.ids import uuid7
from backend.erasure import sweeping
from backend.people.models import Person
from backend.social.models import Relationship
from backend.stories.models import Story, StoryRank, StoryStatus
from tests.api import ApiClient, join
from tests.api.account import another_token
from tests.api.moderation import make_moderator, screen_for
from tests.api.notifications import announce, told_of, told_of_a_day
from tests.departure_fixture import done, leave
from tests.schema import page_lists
from tests.schema.reads.texts import BODY, LINE, NAME, TEXTS

HANDLES = ("asha", "bilal", "chitra", "dev", "esra", "farid", "gita", "hana", "ines", "jon", "kavi", "lena")
VERSION = "query ($id: ID!) { node(id: $id) { ... on Versioned { version } } }"
CHAPTERS = "query ($id: ID!) { story(id: $id) { chapters { id version } } }"


class Life:
    """Twelve people; `story`, `edition`, … are ids by a name that says what is special about them.

    asha and bilal write; chitra reads all and wants mature stories; dev, esra and kavi moderate. asha blocks esra, farid blocks
    asha, bilal blocks farid. gita leaves, and lena, of whom nothing is left. hana has done nothing.
    """

    def __init__(self) -> None:
        self.people = {handle: join(handle) for handle in HANDLES}
        self.story: dict[str, str] = {}
        self.whisper: dict[str, str] = {}
        self.edition: dict[str, str] = {}
        self.report: dict[str, str] = {}
        for handle in ("dev", "esra", "kavi"):
            make_moderator(self.people[handle])
        screen_for("FLAG", "tomato")
        screen_for("REPORT", "cucumber")
        self.profiles()
        self.stories()
        self.whispers()
        self.follows()
        self.readings()
        self.reports()
        self.orders()
        self.told()
        self.many()
        self.later()

    def __getattr__(self, handle: str) -> ApiClient:
        if handle in HANDLES:
            return self.people[handle]
        raise AttributeError(handle)

    def version(self, of: str, who: ApiClient) -> str:
        """The version of a thing, as somebody finds it."""
        node = who.ask(VERSION, id=of)["node"]
        return "0" if node is None else str(node["version"])

    def chapters(self, story: str, who: ApiClient) -> list[str]:
        """The chapters of a story."""
        return [chapter["id"] for chapter in who.ask(CHAPTERS, id=story)["story"]["chapters"]]

    def edit(self, chapter: str, who: ApiClient, **patch: str) -> None:
        """Write a chapter anew."""
        done(who.update_chapter(chapter, patch, self.version(chapter, who)))

    def change(self, story: str, who: ApiClient, **patch: Any) -> None:
        """Write what a story says of itself anew."""
        done(who.update_story(story, patch, self.version(story, who)))

    def profiles(self) -> None:
        """Some want mature stories; some say odd things."""
        for handle, patch in (
            ("asha", {"name": NAME, "bio": BODY}),
            ("chitra", {"showMature": True}),
            ("kavi", {"showMature": True, "bio": "I moderate."}),
            ("jon", {"name": "Jon 😀", "showMature": True}),
            ("ines", {"bio": ""}),
        ):
            done(self.people[handle].update_profile(patch, "1"))

    def write(self, name: str, who: ApiClient, *, published: bool = True, chapters: int = 2, **fields: Any) -> str:
        """A new story, by a name."""
        shelf = who.ask("{ viewer { shelf { version } } }")["viewer"]["shelf"]["version"]
        made = done(who.create_story(shelf, **{"title": name.title(), "chapters": chapters, **fields}))["story"]["id"]
        if published:
            done(who.publish(made))
        self.story[name] = made
        return str(made)

    def stories(self) -> None:
        """Of each kind: edited, restored, withdrawn, for adults, with warnings, without chapters, with many."""
        asha, bilal = self.asha, self.bilal
        edited = self.write("edited", asha, chapters=4, summary=BODY, warnings=["VIOLENCE", "GORE"])
        first, second, third, _ = self.chapters(edited, asha)
        for number in range(4):
            self.edit(first, asha, body=f"{BODY} {number}")
        self.edit(second, asha, title=LINE, body="Short.")
        done(asha.delete_chapter(third, self.version(third, asha)))
        gone = next(one for one in asha.revisions(edited) if "chapters" in one["changed"])
        done(asha.restore(gone["id"], self.version(edited, asha)))
        done(asha.reorder(edited, self.chapters(edited, asha)[::-1], self.version(edited, asha)))
        self.change(edited, asha, title=LINE, warnings=["DEATH", "ABUSE"])
        for name, who, fields in (
            ("draft", asha, {"published": False, "warnings": ["HATE"]}),
            ("empty draft", asha, {"published": False, "chapters": 0}),
            ("withdrawn", asha, {"summary": "Withdrawn again."}),
            ("mature", asha, {"mature": True, "warnings": ["SEXUAL_CONTENT", "GORE"]}),
            ("long", bilal, {"chapters": 12, "summary": "A dragon and a cat."}),
            ("mature of bilal", bilal, {"mature": True, "title": "Dragon nights"}),
            ("draft of bilal", bilal, {"published": False}),
            ("one chapter", bilal, {"chapters": 1, "title": "The cat's way", "warnings": ["DEATH"]}),
            ("withdrawn of bilal", bilal, {"title": "Dragon, withdrawn"}),
            ("removed", bilal, {"title": "Removed by a moderator"}),
            ("marked", bilal, {"title": "Marked by a moderator"}),
            ("deleted", bilal, {}),
            ("of a moderator", self.kavi, {"title": "The moderator's cat"}),
            ("of gita", self.gita, {"title": "Of somebody who leaves"}),
            ("of lena", self.lena, {}),
            ("of farid", self.farid, {"title": "Behind a block"}),
        ):
            self.write(name, who, **fields)
        chapterless = self.write("chapterless", bilal, published=False, chapters=1, title="Without chapters")
        (only,) = self.chapters(chapterless, bilal)
        done(bilal.delete_chapter(only, "1"))
        done(bilal.publish(chapterless, "2"))
        for number, text in enumerate(TEXTS):
            self.write(f"odd {number}", self.jon, chapters=1, title=f"Odd cat {number}", summary=text)
            self.edit(self.chapters(self.story[f"odd {number}"], self.jon)[0], self.jon, body=text)

    def whispers(self) -> None:
        """Marked, screened, reported, odd."""
        for name, who, text, nsfw in (
            ("plain", self.asha, "Psst.", False),
            ("nsfw", self.asha, "Psst!", True),
            ("flagged", self.bilal, "A tomato, says bilal.", False),
            ("screened", self.bilal, "A cucumber, says bilal.", False),
            ("of a moderator", self.dev, "A cucumber, says dev.", False),
            ("of gita", self.gita, "Gone soon.", False),
            ("of farid", self.farid, "Behind a block.", False),
            ("removed", self.bilal, "Remove me.", False),
            ("marked", self.bilal, "Mark me.", False),
            ("deleted", self.bilal, "I delete this.", False),
            *((f"odd {number}", self.jon, text, number % 3 == 1) for number, text in enumerate(TEXTS)),
        ):
            self.whisper[name] = done(who.create_whisper(text, nsfw))["whisper"]["id"]

    def follows(self) -> None:
        """In both directions, taken back, and two who block; a person reads what they follow before they are blocked."""
        pairs = (
            "bilal asha,chitra asha,ines asha,jon asha,gita asha,lena asha,dev asha,asha bilal,chitra bilal,ines bilal,"
            "asha chitra,ines chitra,chitra jon,ines jon,ines kavi,kavi asha,ines gita,chitra gita,farid asha,esra asha,"
            "asha jon,bilal jon,kavi jon,gita bilal"
        )
        for pair in pairs.split(","):
            who, whom = pair.split()
            done(self.people[who].follow(self.people[whom]))
        done(self.jon.unfollow(self.asha, "1"))
        done(self.asha.remove_follower(self.dev, "1"))

    def readings(self) -> None:
        """Places at chapters of all kinds; what was there is changed later."""
        for name in ("edited", "mature", "long", "withdrawn", "one chapter", "of gita", "of lena", "of a moderator"):
            author = self.author_of(name)
            for reader in (self.bilal, self.chitra, self.asha, self.gita, self.esra, self.ines):
                if reader is not author and not (reader is self.esra and name == "long"):
                    chapters = self.chapters(self.story[name], author)
                    done(reader.record_view(self.story[name], chapter=chapters[len(name) % len(chapters)], offset=5))
        done(self.chitra.record_view(self.story["withdrawn of bilal"]))
        done(self.chitra.record_view(self.story["of farid"]))
        done(self.jon.record_view(self.story["long"], chapter=self.chapters(self.story["long"], self.bilal)[6]))

    def author_of(self, name: str) -> ApiClient:
        """Who wrote a story that both see."""
        query = "query ($id: ID!) { node(id: $id) { ... on Story { author { handle } } } }"
        return self.people[self.chitra.ask(query, id=self.story[name])["node"]["author"]["handle"]]

    def reports(self) -> None:
        """Of each kind of thing, in each state, by several."""
        chapter = self.chapters(self.story["edited"], self.asha)[1]
        short = self.chapters(self.story["long"], self.bilal)[1]
        self.chapter_deleted = self.chapters(self.story["long"], self.bilal)[3]
        for name, who, subject in (
            ("whisper", self.chitra, self.whisper["plain"]),
            ("nsfw whisper", self.ines, self.whisper["nsfw"]),
            ("removed whisper", self.asha, self.whisper["removed"]),
            ("marked whisper", self.asha, self.whisper["marked"]),
            ("deleted whisper", self.asha, self.whisper["deleted"]),
            ("edited story", self.chitra, self.story["edited"]),
            ("edited story again", self.ines, self.story["edited"]),
            ("mature story", self.chitra, self.story["mature"]),
            ("withdrawn story", self.chitra, self.story["withdrawn"]),
            ("withdrawn, claimed", self.chitra, self.story["withdrawn of bilal"]),
            ("removed story", self.asha, self.story["removed"]),
            ("marked story", self.asha, self.story["marked"]),
            ("deleted story", self.asha, self.story["deleted"]),
            ("chapter", self.chitra, chapter),
            ("chapter of long", self.chitra, short),
            ("deleted chapter", self.chitra, self.chapter_deleted),
            ("story of a moderator", self.asha, self.story["of a moderator"]),
            ("person", self.chitra, self.asha.id),
            ("person, dismissed", self.ines, self.bilal.id),
            ("moderator", self.bilal, self.dev.id),
            ("person who leaves", self.bilal, self.gita.id),
            ("by somebody who leaves", self.gita, self.story["long"]),
            ("by a moderator", self.esra, self.bilal.id),
            ("of farid", self.chitra, self.story["of farid"]),
            ("reopened", self.jon, self.story["long"]),
        ):
            self.report[name] = done(who.report(subject, f"{name}: {LINE}"))["report"]["id"]
        for name in ("withdrawn, claimed", "nsfw whisper", "edited story again", "person, dismissed"):
            done(self.dev.claim(self.report[name]))
        done(self.kavi.claim(self.report["chapter"]))
        done(self.kavi.claim(self.report["by somebody who leaves"]))
        for name, outcome, who in (
            ("removed whisper", "REMOVED", self.dev),
            ("marked whisper", "MARKED_NSFW", self.kavi),
            ("removed story", "REMOVED", self.dev),
            ("marked story", "MARKED_NSFW", self.esra),
            ("person, dismissed", "DISMISSED", self.dev),
            ("chapter of long", "DISMISSED", self.kavi),
            ("reopened", "DISMISSED", self.dev),
        ):
            report = self.report[name]
            done(who.resolve(report, outcome, self.version(report, who)))
        done(self.dev.reopen(self.report["reopened"], self.version(self.report["reopened"], self.dev)))

    def orders(self) -> None:
        """In each status, of editions whose stories stay, go, or are hidden from who ordered."""
        for name, who, story in (
            ("edited", self.asha, "edited"),
            ("second", self.asha, "edited"),
            ("mature", self.asha, "mature"),
            ("withdrawn", self.asha, "withdrawn"),
            ("of bilal", self.bilal, "long"),
            ("unordered", self.bilal, "long"),
            ("of gita", self.gita, "of gita"),
            ("of farid", self.farid, "of farid"),
            ("removed later", self.bilal, "withdrawn of bilal"),
        ):
            made = who.create_edition(self.story[story], stock=40, title=f"{name} {LINE}", price=250 + len(name))
            self.edition[name] = done(made)["edition"]["id"]
        placed = [
            done(buyer.place_order(*((self.edition[name], count) for name in names.split(","))))["order"]["id"]
            for buyer, names, count in (
                (self.bilal, "edited,second", 1),
                (self.bilal, "withdrawn", 2),
                (self.bilal, "edited", 3),
                (self.chitra, "mature", 1),
                (self.chitra, "edited", 1),
                (self.ines, "edited,mature,withdrawn", 1),
                (self.gita, "edited", 2),
                (self.asha, "of bilal", 1),
                (self.asha, "of gita", 1),
                (self.chitra, "of gita", 2),
                (self.chitra, "of farid", 1),
                (self.asha, "removed later", 1),
                (self.esra, "of bilal", 1),
                (self.esra, "edited", 2),
            )
        ]
        done(self.asha.update_order(placed[2], "CONFIRMED", "1"))
        done(self.asha.update_order(placed[4], "CONFIRMED", "1"))
        done(self.asha.update_order(placed[4], "SHIPPED", "2"))
        done(self.chitra.update_order(placed[3], "CANCELLED", "1"))
        done(self.gita.update_order(placed[8], "CONFIRMED", "1"))
        done(self.asha.adjust_stock(self.edition["second"], -7))

    def told(self) -> None:
        """Of stories of all kinds, and of the day; read and unread."""
        for name in ("edited", "mature", "withdrawn", "long", "mature of bilal", "of gita", "of lena", "of farid"):
            announce(self.story[name])
        for who in (self.asha, self.bilal, self.chitra, self.ines, self.esra, self.dev, self.kavi):
            for name in ("one chapter", "withdrawn of bilal", "marked", "removed", "of farid"):
                told = told_of(who, self.story[name])
                if len(name) % 2:
                    who.mark_read(told)  # some find the story no longer
            done(who.mark_read(told_of_a_day(who)))
            told_of_a_day(who)
        for _ in range(3):
            another_token(self.asha)

    def many(self) -> None:
        """Lists of several pages, of which several share a moment; readings and whispers of bilal's among them."""
        page_lists.add_stories(self.kavi, range(page_lists.COUNT))
        page_lists.add_stories(self.jon, range(20, 20 + 2 * page_lists.COUNT))
        unread = Story.objects.filter(status=StoryStatus.PUBLISHED, rank__isnull=True).order_by("title")
        StoryRank.objects.bulk_create(StoryRank(story=story, views=n // 3) for n, story in enumerate(unread))
        for who in (self.chitra, self.dev):
            page_lists.add_whispers(who)
        self.strangers()

    def strangers(self) -> None:
        """Follow jon, and are followed by ines: three of them since each moment."""
        for kind, of in (("follows-jon", self.jon), ("followed-by-ines", self.ines)):
            made = Person.objects.bulk_create(
                Person(id=uuid7(), handle=f"{kind}-{number}", name=f"Stranger {number}")
                for number in range(page_lists.COUNT)
            )
            rows = []
            for number, one in enumerate(made):
                who, whom = (one.pk, of.person.pk) if of is self.jon else (of.person.pk, one.pk)
                since = page_lists.follow(who, whom, page_lists.moment(number))
                rows.append(Relationship(**page_lists.pair(who, whom), **since))
            Relationship.objects.bulk_create(rows)

    def later(self) -> None:
        """What happens to what was read, ordered and reported."""
        asha, bilal = self.asha, self.bilal
        long = self.chapters(self.story["long"], bilal)
        done(bilal.delete_chapter(self.chapter_deleted, self.version(self.chapter_deleted, bilal)))
        self.edit(long[4], bilal, body="Sh")
        self.edit(long[1], bilal, title="Later", body="Written after it was reported.")
        done(bilal.append(self.story["long"], "Newest", BODY, key=str(uuid.uuid4())))
        for chapter in self.chapters(self.story["edited"], asha)[:2]:
            self.edit(chapter, asha, body="S")
        self.change(self.story["edited"], asha, summary="Not what was reported.", warnings=["VIOLENCE"])
        done(asha.update_profile({"bio": "Not what was reported."}, "2"))
        for name, who in (("withdrawn", asha), ("withdrawn of bilal", bilal)):
            done(who.unpublish(self.story[name], self.version(self.story[name], who)))
            self.change(self.story[name], who, title=f"{name}, a draft")
            self.edit(self.chapters(self.story[name], who)[0], who, body="Nobody else may read this.")
        done(bilal.delete_story(self.story["deleted"], self.version(self.story["deleted"], bilal)))
        done(bilal.delete_whisper(self.whisper["deleted"], self.version(self.whisper["deleted"], bilal)))
        done(asha.block(self.esra))
        done(self.farid.block(asha))
        done(self.farid.block(self.chitra))
        done(bilal.block(self.farid))
        done(self.ines.block(self.hana))
        done(self.kavi.block(self.dev))
        done(self.jon.block(self.ines))
        done(self.jon.unblock(self.ines, self.version_between(self.jon, self.ines)))
        leave(self.gita)
        leave(self.lena)
        sweeping.sweep(self.lena.person.pk)

    def version_between(self, who: ApiClient, whom: ApiClient) -> str:
        """The version of somebody's side towards somebody."""
        return str(who.relationship(whom)["version"])
