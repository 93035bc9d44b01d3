"""What a report is of: to moderators as it was reported, to whoever made the report as they may find it now.

Moderators see its texts as they were reported, whatever its author has written since. While the report is not resolved they
see it also as a draft or across a block, because they have to judge it; that is logged. Afterwards only if they find it as
anybody would, but while an appeal is to be judged. Nothing shows what is of somebody who has left.
"""

from backend.people.queries import FINDABLE, FOLLOWER_COUNT, FOLLOWING_COUNT, STORY_COUNT
from backend.social.queries import sides
from backend.sources import OneOf, Row, Rows, Source, Value
from backend.stories.queries import CHAPTER_COUNT, visible
from backend.visibility import gone, met


def _if_found(total: Value) -> Value:
    """A total of a person, 0 for who cannot find them."""
    return Value(f"CASE WHEN $row.is_found THEN {total.sql} ELSE 0 END", is_wide=True)


APPEALED = (
    "EXISTS (SELECT FROM moderation_decision AS decision WHERE decision.report_id = $row.id "
    "AND decision.appealed_at IS NOT NULL AND decision.appeal_outcome IS NULL)"
)
"""SQL: whether an appeal is to be judged against what was decided on the report."""

UNSETTLED = f"($moderator AND ($row.status <> 'RESOLVED' OR {APPEALED}) AND NOT {{}})"
"""SQL: whether a moderator sees it although they do not find it."""

KEPT = "LEFT JOIN moderation_evidence AS kept ON kept.id = $row.evidence_id AND $moderator"
"""SQL: what was kept of the thing, for moderators."""

SEEN = "($moderator AND (NOT $row.is_found OR $row.is_changed))"
"""SQL: whether it is not public, or not any more, so that a look at it is logged."""


WHISPER = Row(
    f"""
SELECT whisper.*, FALSE AS is_changed FROM (
    SELECT whisper.*, {met("whisper.author_id", "$viewer")} AS is_found
    FROM whispers_whisper AS whisper WHERE whisper.id = $row.whisper_id OFFSET 0
) AS whisper WHERE whisper.is_found OR {UNSETTLED.format(gone("whisper.author_id"))}""",
    type="Whisper",
    logged_when=SEEN,
)
"""Nothing was kept of it, because its text never changes."""


def _story(join: str, where: str, columns: str = "") -> str:
    """SQL: a story, with the texts that were kept of it."""
    return f"""
SELECT story.id, story.author_id, story.writers, story.managers, story.mature, story.status, story.published_at,
    story.republished_at, story.created_at{columns},
    coalesce(kept.texts ->> 'title', story.title) AS title, coalesce(kept.texts ->> 'summary', story.summary) AS summary,
    CASE WHEN kept.id IS NULL THEN story.warnings ELSE ARRAY(SELECT jsonb_array_elements_text(kept.texts -> 'warnings')) END
        AS warnings,
    coalesce((kept.texts ->> 'version')::bigint, kept.version, story.version) AS version,
    coalesce((kept.texts ->> 'updated_at')::timestamptz, story.updated_at) AS updated_at,
    kept.id AS kept_id, kept.chapters AS kept_chapters
FROM {join} WHERE {where}"""


CHAPTERS = Rows(
    """
SELECT chapter.* FROM (
    SELECT chapter.* FROM stories_chapter AS chapter WHERE chapter.story_id = $row.id AND $row.kept_id IS NULL
    UNION ALL
    SELECT chapter.* FROM jsonb_populate_recordset(NULL::stories_chapter, coalesce($row.kept_chapters, '[]')) AS chapter
    WHERE $row.kept_id IS NOT NULL
) AS chapter ORDER BY chapter.position""",
    inverse="story",
)
"""The chapters that were kept of the story; of a story whose chapter was reported, that one."""

KEPT_COUNT = Value(
    "CASE WHEN $row.kept_id IS NULL THEN "
    f"{CHAPTER_COUNT.sql} ELSE coalesce(jsonb_array_length($row.kept_chapters), 0) END"
)

OF_STORY: dict[str, Source] = {"chapters": CHAPTERS, "chapterCount": KEPT_COUNT}

_FOUND_STORY = (
    f"(SELECT story.*, {visible('$viewer')} AS is_found FROM stories_story AS story WHERE story.id = {{}} OFFSET 0)"
)

STORY = Row(
    _story(
        f"{_FOUND_STORY.format('$row.story_id')} AS story {KEPT}",
        f"story.is_found OR {UNSETTLED.format(gone('story.author_id'))}",
        ", story.is_found, kept.version <> story.version AS is_changed",
    ),
    type="Story",
    instead=OF_STORY,
    logged_when=SEEN,
)

STORY_OF_CHAPTER = Row(
    _story(
        "stories_story AS story LEFT JOIN moderation_evidence AS kept ON kept.id = $row.kept_id AND NOT $row.is_found",
        "story.id = $row.story_id",
    ),
    instead=OF_STORY,
)
"""The story of a reported chapter: for who does not find it, as it was reported, with that chapter alone."""

_STORY_ID = "(SELECT chapter.story_id FROM stories_chapter AS chapter WHERE chapter.id = $row.chapter_id)"

CHAPTER = Row(
    f"""
SELECT chapter.*, found.is_found, found.is_changed, found.kept_id FROM (
    SELECT present.id, story.is_found, kept.id AS kept_id, kept.version <> present.version AS is_changed,
        CASE WHEN kept.id IS NULL THEN present ELSE jsonb_populate_record(NULL::stories_chapter, kept.chapters -> 0) END
            AS shown
    FROM stories_chapter AS present JOIN {_FOUND_STORY.format(_STORY_ID)} AS story ON story.id = present.story_id {KEPT}
    WHERE present.id = $row.chapter_id AND (story.is_found OR {UNSETTLED.format(gone("story.author_id"))}) OFFSET 0
) AS found CROSS JOIN LATERAL (SELECT (found.shown).*) AS chapter""",
    type="Chapter",
    instead={"story": STORY_OF_CHAPTER},
    logged_when=SEEN,
)

PERSON = Row(
    f"""
SELECT person.id, person.handle, person.show_mature, person.joined_at, person.is_found,
    coalesce(kept.texts ->> 'name', person.name) AS name, coalesce(kept.texts ->> 'bio', person.bio) AS bio,
    coalesce(kept.version, person.version) AS version,
    coalesce((kept.texts ->> 'updated_at')::timestamptz, person.updated_at) AS updated_at,
    kept.version <> person.version AS is_changed
FROM (
    SELECT person.*, {FINDABLE} AS is_found FROM people_person AS person WHERE person.id = $row.person_id OFFSET 0
) AS person {KEPT}
WHERE person.is_found OR {UNSETTLED.format("person.left_at IS NOT NULL")}""",
    type="Person",
    instead={
        "followerCount": _if_found(FOLLOWER_COUNT),
        "followerTotal": _if_found(FOLLOWER_COUNT),
        "followingCount": _if_found(FOLLOWING_COUNT),
        "followingTotal": _if_found(FOLLOWING_COUNT),
        "storyCount": _if_found(STORY_COUNT),
        "storyTotal": _if_found(STORY_COUNT),
        "relationship": Row(sides("$row.id", "$row.is_found"), inverse="person"),
    },
    logged_when=SEEN,
)

SUBJECT = OneOf((WHISPER, STORY, CHAPTER, PERSON))
