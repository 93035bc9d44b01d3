"""What each source says of its row's aggregate is so: a local one reads no table of another."""

import pytest
from django.db.models import Model

from backend.people.models import Person
from backend.sources import OneOf, Page, Row, Same, Source, Value
from backend.stories.models import Chapter, Story
from tests.schema.reads.aggregates import TABLES, declared, model_of, named_in, root_of, sql_of


def wrong(model: type[Model], source: Source) -> str | None:
    """What is wrong with a declaration, for a field of this model's rows."""
    roots = {root_of(TABLES[table]) for table in named_in(sql_of(source))}
    is_local = roots <= {root_of(model)}
    if getattr(source, "is_local", False) is is_local:
        return None
    return f"reads rows of {sorted(one.__name__ for one in roots)}: is_local has to be {is_local}"


OF_ANOTHER = ("Person.reports", "Notification.report")
"""Read rows of people, but of another one: a report hangs on whom it is about. `test_plans` notices a wrong cut."""


def test_each_source_says_whether_it_is_local() -> None:
    """For each field of a row. A page has its total with it."""
    found = {where: wrong(model_of(type_name), source) for where, type_name, source in declared()}
    assert all(found.pop(one) for one in OF_ANOTHER)
    assert not {where: said for where, said in found.items() if said}
    assert len(found) > 60, len(found)


COUNTED = "(SELECT count(*) FROM {} WHERE {})"
AUTHOR = Row("SELECT person.* FROM people_person AS person WHERE person.id = $row.author_id", is_local=True)


@pytest.mark.parametrize(
    ("model", "source"),
    [
        (Story, Value(COUNTED.format("whispers_whisper AS whisper", "whisper.author_id = $row.author_id"))),
        (Story, Value(COUNTED.format("stories_chapter", "stories_chapter.story_id = $row.id"), is_local=False)),
        (Person, Value(COUNTED.format("follow", "followee_id = $row.id"))),
        (Story, AUTHOR),
        (Chapter, Row("SELECT story.* FROM stories_story AS story WHERE story.id = $row.story_id")),
        (Story, Same(when="EXISTS (SELECT FROM social_relationship AS pair WHERE pair.low_id = $row.author_id)")),
        (
            Story,
            Page("SELECT story.*, 1 AS place_at FROM stories_story AS story", "", "", is_local=True, when=AUTHOR.sql),
        ),
        (Story, OneOf((Row("SELECT story.* FROM stories_story AS story"),))),
    ],
)
def test_the_rule_sees_what_breaks_it(model: type[Model], source: Source) -> None:
    """Said to be local or not, and it is the other way round."""
    assert wrong(model, source)


@pytest.mark.parametrize(
    ("model", "source"),
    [
        (Story, Value("$row.author_id")),
        (Story, Value("(SELECT then.id FROM jsonb_populate_recordset(NULL::people_person, $row.kept) AS then)")),
        (Chapter, Row("SELECT story.* FROM stories_story AS story WHERE story.id = $row.story_id", is_local=True)),
    ],
)
def test_the_rule_leaves_good_sources_alone(model: type[Model], source: Source) -> None:
    """Columns, types of rows, and the rows around."""
    assert wrong(model, source) is None
