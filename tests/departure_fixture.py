"""Somebody with a bit of everything, who leaves."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps

from backend.people.models import Account, Person
from tests.api import PASSWORD, ApiClient, join
from tests.api.notifications import announce
from tests.nouns import collect
from tests.races.kept import kept

KEPT = {
    "people.Account",
    "people.Departure",
    "stories.Shelf",
    "stories.Story",
    "market.Edition",
    "market.Order",
    "market.OrderLine",
    "moderation.Decision",
    "moderation.ModerationAction",
}
"""Tables whose rows refer to somebody who has left: that there was somebody, what orders need, and what a moderator did."""


@dataclass
class DepartureFixture:
    """What asha has done, and who others are."""

    asha: ApiClient
    bilal: ApiClient
    chitra: ApiClient
    dev: ApiClient
    """Blocked by asha, and a moderator."""
    esra: ApiClient
    """Blocks asha."""
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def others(self) -> list[ApiClient]:
        """Everybody else, and nobody."""
        return [self.bilal, self.chitra, self.dev, self.esra, ApiClient()]


def live(tag: str = "") -> DepartureFixture:
    """A bit of everything: each row that somebody can have. `tag` tells their handles from others'.

    Its rows are kept, because it takes fifty calls: the first test pays for all.
    """
    return lived(tag) if tag or Person.objects.exists() else kept(lived)


def lived(tag: str = "") -> DepartureFixture:
    """Such a life, lived through the API."""
    life = DepartureFixture(*(join(f"{handle}{tag}") for handle in ("asha", "bilal", "chitra", "dev", "esra")))
    asha, bilal, chitra, dev = life.asha, life.bilal, life.chitra, life.dev
    Account.objects.filter(pk=dev.person.pk).update(is_moderator=True)
    Account.objects.filter(pk=asha.person.pk).update(is_moderator=True)
    asha.update_profile({"name": "Asha Rao", "bio": "I write."}, "1", key=str(uuid.uuid4()))
    for one in (bilal, chitra):
        done(one.follow(asha))
    done(asha.follow(bilal))
    assert chitra.unfollow(asha, "1")["applied"] == "WRITTEN"
    done(dev.follow(asha))
    done(asha.block(dev))
    done(life.esra.block(asha))
    _write(life)
    _read(life)
    _trade(life)
    _report(life)
    for of_noun in collect("live"):
        of_noun(life)
    return life


def done(answer: Any) -> Any:
    """The answer to a mutation that succeeds."""
    assert "code" not in answer, answer
    return answer


def _write(life: DepartureFixture) -> None:
    asha, ids = life.asha, life.ids
    for name, version in (("ordered", "0"), ("read", "1"), ("draft", "2")):
        story = done(asha.create_story(version, title=name.title(), chapters=2, key=str(uuid.uuid4())))["story"]
        ids[name], ids[f"chapter of {name}"] = story["id"], story["chapters"][0]["id"]
    for name in ("ordered", "read"):
        done(asha.publish(ids[name]))
        announce(ids[name])
        done(asha.update_story(ids[name], {"summary": "New."}, "2"))
    done(
        asha.delete_chapter(
            asha.ask("query ($i: ID!) { story(id: $i) { chapters { id } } }", i=ids["draft"])["story"]["chapters"][1][
                "id"
            ],
            "1",
        )
    )
    ids["whisper"], ids["flagged"] = (done(asha.create_whisper(text))["whisper"]["id"] for text in ("Psst.", "Again."))
    ids["theirs"] = life.bilal.published_story(title="Of bilal")["id"]
    announce(ids["theirs"])


def _read(life: DepartureFixture) -> None:
    ids = life.ids
    for story in ("ordered", "read"):
        for reader in (life.bilal, life.chitra):
            done(reader.record_view(ids[story], chapter=ids[f"chapter of {story}"]))
    done(life.asha.record_view(ids["theirs"]))
    done(life.chitra.record_view(ids["theirs"]))


def _trade(life: DepartureFixture) -> None:
    asha, bilal, ids = life.asha, life.bilal, life.ids
    ids["edition"] = done(asha.create_edition(ids["ordered"]))["edition"]["id"]
    ids["unordered"] = done(asha.create_edition(ids["read"]))["edition"]["id"]
    ids["edition of bilal"] = done(bilal.create_edition(ids["theirs"]))["edition"]["id"]
    ids["placed"], ids["shipped"] = (done(bilal.place_order((ids["edition"], 1)))["order"]["id"] for _ in range(2))
    done(asha.update_order(ids["shipped"], "CONFIRMED", "1"))
    done(asha.update_order(ids["shipped"], "SHIPPED", "2"))
    ids["bought"] = done(asha.place_order((ids["edition of bilal"], 2)))["order"]["id"]


def _report(life: DepartureFixture) -> None:
    asha, bilal, chitra, ids = life.asha, life.bilal, life.chitra, life.ids
    whisper = done(bilal.create_whisper("Of bilal."))["whisper"]["id"]
    ids["by asha"] = done(asha.report(whisper))["report"]["id"]
    for name in ("whisper", "read", "chapter of read", "ordered"):
        ids[f"about {name}"] = done(chitra.report(ids[name]))["report"]["id"]
    ids["about asha"] = done(bilal.report(asha.id))["report"]["id"]
    ids["claimed by asha"] = done(chitra.report(whisper))["report"]["id"]
    done(asha.claim(ids["claimed by asha"]))


def leave(who: ApiClient) -> None:
    """Delete the account."""
    assert done(who.delete_account(PASSWORD)) == {"__typename": "AccountDeleted", "id": who.id, "applied": "WRITTEN"}


def left_of(person: uuid.UUID) -> dict[str, int]:
    """How many rows of each table refer to somebody."""
    found: dict[str, int] = {}
    for model in apps.get_models():
        for one in model._meta.concrete_fields:
            if one.related_model in (Person, Account):
                count = model._base_manager.filter(**{one.attname: person}).count()
                if count:
                    found[model._meta.label] = found.get(model._meta.label, 0) + count
    return found
