"""Each list is read from its index."""

from collections.abc import Iterator
from itertools import product

import pytest
from django.core.management import call_command
from django.db import connection

from backend.engine import searches
from backend.engine.transactions import unit_of_work
from backend.people.actions import new_token
from backend.people.models import Account, Person
from backend.stories import lists
from backend.stories.models import Story
from schema.nodes import to_id
from tests.api import ApiClient
from tests.explaining import Explained
from tests.worlds import MadeOnce


@pytest.fixture(scope="module")
def moderator(made_once: MadeOnce) -> ApiClient:
    """A moderator among some thousands of people, the same for all."""
    return made_once(make_many)


def make_many() -> ApiClient:
    """The demo in a small size, and a token of somebody in it."""
    call_command("demo", people=2_000, stories=3_000, editions=2_000, orders=4_000, verbosity=0)
    account = Account.objects.order_by("person__joined_at")[0]
    Account.objects.filter(pk=account.pk).update(is_moderator=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return ApiClient(unit_of_work(lambda: new_token(account, client="")), account.person)


@pytest.fixture(autouse=True)
def few_are_near(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A search begins with as small a part of this table as it does of a large one."""
    monkeypatch.setattr(searches, "FEW", 100)
    lists._listed_by.cache_clear()
    yield
    lists._listed_by.cache_clear()


FEW = ("people_departure", "people_accesstoken")
"""Here they have so few rows that no index of them is worth its while."""
PAGE = "{ edges { node { id } } pageInfo { endCursor } }"
FILTERS = (
    "",
    "filter: {author: $author}",
    "filter: {withoutWarnings: [HATE, GORE]}",
    "filter: {text: $rare}",
    'filter: {text: "the"}',
    'filter: {author: $author, text: "the", withoutWarnings: [GORE]}',
    "filter: {status: DRAFT}",
    "filter: {status: DRAFT, text: $rare}",
)
OF_PERSON = {
    **{name: f"{name}(PART) {PAGE}" for name in ("stories", "whispers", "followers", "following")},
    "totals": "followers { totalCount } following { totalCount } followerCount followingCount storyCount",
}
PRIVATE = {
    **{name: f"{name}(PART) {PAGE}" for name in ("readings", "sales", "tokens", "notifications")},
    "unread": f"notifications(unread: true, PART) {PAGE}",
    "read": f"notifications(unread: false, PART) {PAGE}",
    "shelf": f"shelf {{ stories(PART) {PAGE} }}",
    "count": "unreadCount",
    "changed": "readings(PART) { edges { node { changedChapters { id } } } }",
}
ROOTS = {
    **{name: f"{name}(PART) {PAGE}" for name in ("feed", "whispers", "editions", "orders", "reports")},
    "open reports": f"reports(status: OPEN, PART) {PAGE}",
    "editions of stories": f"stories(PART) {{ edges {{ node {{ editions(PART) {PAGE} }} }} }}",
    **{
        f"of a person: {name}": f"node(id: $author) {{ ... on Person {{ {field} }} }}"
        for name, field in OF_PERSON.items()
    },
    "people": f'people(text: "a", PART) {PAGE}',
    "total of people": 'people(text: "asha") { totalCount }',
    **{f"private: {name}": f"viewer {{ {field} }}" for name, field in PRIVATE.items()},
    **{
        f"stories {order} {given}": f"stories(orderBy: {order}{given and f', {given}'}, PART) {PAGE}"
        for given, order in product(FILTERS, ("NEWEST", "MOST_READ"))
    },
}


@pytest.mark.parametrize("part", ["first: 20", "last: 20"], ids=["forward", "backward"])
@pytest.mark.parametrize("asked", ROOTS.values(), ids=ROOTS)
def test_a_page_is_read_from_its_index(moderator: ApiClient, asked: str, part: str) -> None:
    """With some thousands of people no list reads a table from its beginning, nor do the totals."""
    author = Person.objects.order_by("joined_at")[1]
    variables = {"author": to_id("Person", author.pk), "rare": str(Story.objects.earliest("id").pk)[:8]}
    declared = {name: kind for name, kind in (("author", "ID!"), ("rare", "String!")) if f"${name}" in asked}
    head = f"query ({', '.join(f'${name}: {kind}' for name, kind in declared.items())})" if declared else "query"
    explained = Explained()
    with connection.execute_wrapper(explained):
        answer = moderator.post(
            f"{head} {{ {asked.replace('PART', part)} }}", **{name: variables[name] for name in declared}
        )
    assert "errors" not in answer
    plan = explained.plans[0]
    for table in FEW:
        plan = plan.replace(f"Seq Scan on {table}", "")
    assert "Seq Scan" not in plan, plan
