"""The benchmark's data: a database that is filled once, and a fresh copy of it for each run."""

import base64
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from backend.embedded import DATABASE, ROLE
from backend.people.claims import issue
from bench.account import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")  # whose key signs tokens

ROOT = Path(__file__).resolve().parent.parent
COPY = "bench"
CHAPTER = ("All that was said at the well that evening came back by another mouth. " * 29)[:2_000]
"""A text of two thousand characters, one byte each."""

LARGE = {"people": 10_000, "follows": 200_000, "stories": 20_000, "chapters": 60_000}
SMALL = {"people": 200, "follows": 4_000, "stories": 400, "chapters": 1_200}


class Database:
    """The embedded PostgreSQL of the benchmark, by its socket folder."""

    def __init__(self, sockets: Path) -> None:
        self.sockets = sockets

    def connect(self, name: str) -> "psycopg.Connection[Any]":
        """A connection to a database, in autocommit mode."""
        return psycopg.connect(host=str(self.sockets), user=ROLE, dbname=name, autocommit=True)

    def url(self, name: str) -> str:
        """The DATABASE_URL of a database."""
        return f"postgres://{ROLE}@{str(self.sockets).replace('/', '%2F')}/{name}"


def fill(database: Database, sizes: dict[str, int]) -> None:
    """Migrate the database, and fill it with demo data of these sizes unless it has been."""
    wanted = f"demo data {sizes}"
    with database.connect("postgres") as db:
        found = one(db, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", DATABASE)
        if found != wanted:
            db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        manage(database, DATABASE, "migrate", "--verbosity", "0")
        if found != wanted:
            manage(database, DATABASE, "demo", *(f"--{name}={size}" for name, size in sizes.items()))
            with database.connect(DATABASE) as new:
                new.execute("VACUUM (ANALYZE)")
            remark = sql.SQL("COMMENT ON DATABASE {} IS {}")  # the last step, which marks the data as complete
            db.execute(remark.format(sql.Identifier(DATABASE), sql.Literal(wanted)))


def copy(database: Database) -> None:
    """Create this run's copy of the filled database."""
    with database.connect("postgres") as db:
        db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(COPY)))
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        db.execute(made.format(sql.Identifier(COPY), sql.Identifier(DATABASE)))


def manage(database: Database, name: str, *arguments: str) -> None:
    """Run a command of manage.py on a database."""
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(database, name),
        check=True,
        preexec_fn=end_with_parent,
    )


def environment(database: Database, name: str) -> dict[str, str]:
    """The environment for Katha's commands on a database of the benchmark."""
    return {**os.environ, "DATABASE_URL": database.url(name), "DJANGO_SETTINGS_MODULE": "backend.settings"}


# --- What the workloads need to know of it -----------------------------------------------------------------------

PEOPLE = """
CREATE TABLE bench_person AS
SELECT row_number() OVER (ORDER BY feeds DESC, calm DESC, id)::int AS n, id, feeds, calm
FROM (
    SELECT person.id, NOT person.show_mature AND 20 <= (
        SELECT count(*) FROM follow JOIN stories_story AS story ON story.author_id = follow.followee_id
        WHERE follow.follower_id = person.id AND story.published_at IS NOT NULL AND NOT story.mature
    ) AS feeds, NOT EXISTS (
        SELECT FROM social_relationship AS pair WHERE person.id IN (pair.low_id, pair.high_id)
          AND (pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)
    ) AS calm
    FROM people_person AS person
) AS people
"""
"""Numbers people, so that pgbench can select one by number; those whose feed fills a page come first."""

STORIES = """
CREATE TABLE bench_story AS
SELECT row_number() OVER (ORDER BY story.id)::int AS n, story.id, chapter.id AS chapter_id
FROM stories_story AS story JOIN stories_chapter AS chapter ON chapter.story_id = story.id AND chapter.position = 1
WHERE story.published_at IS NOT NULL
"""

KEYS = ("ALTER TABLE bench_person ADD PRIMARY KEY (n)", "ALTER TABLE bench_story ADD PRIMARY KEY (n)")

ISSUED = """
UPDATE bench_person AS person SET token = issued.token
FROM unnest(%s::uuid[], %s::text[]) AS issued (id, token) WHERE person.id = issued.id
"""

TOKENS = """
INSERT INTO people_accesstoken (digest, account_id, created_at, expires_at)
SELECT sha256(convert_to(each.token, 'UTF8')), id, now(), now() + interval '90 days'
FROM bench_person AS person CROSS JOIN LATERAL (VALUES (person.token), ('bench-' || n)) AS each (token)
"""
"""For the server one as it issues them, for pgbench one whose digest it finds by the person's number."""


def prepare(db: "psycopg.Connection[Any]") -> None:
    """Number people and stories, and give each person their tokens."""
    for statement in (PEOPLE, STORIES, *KEYS):
        db.execute(statement)
    db.execute("ALTER TABLE bench_person ADD token text")
    people = [id_ for (id_,) in rows(db, "SELECT id FROM bench_person")]
    db.execute(ISSUED, [people, [issue(one) for one in people]])
    for statement in (TOKENS, "ANALYZE bench_person, bench_story, people_accesstoken"):
        db.execute(statement)


@dataclass(frozen=True)
class Data:
    """The copy, with the numbers of its rows."""

    db: "psycopg.Connection[Any]"
    people: int
    feeds: int
    """How many people, the first ones, have a feed that fills a page."""
    stories: int
    author: int
    """The number of a person without any blocks, who writes the stories that the workloads need."""
    tokens: Mapping[int, str]
    """The bearer token of each person, by number."""

    @classmethod
    def of(cls, db: "psycopg.Connection[Any]") -> "Data":
        """Read the prepared numbers."""
        people, feeds, author = rows(
            db, "SELECT count(*), count(*) FILTER (WHERE feeds), max(n) FILTER (WHERE calm) FROM bench_person"
        )[0]
        tokens = dict(rows(db, "SELECT n, token FROM bench_person"))
        return cls(db, people, feeds, one(db, "SELECT count(*) FROM bench_story"), author, tokens)

    def add_story(self, story: str, chapter: str) -> int:
        """Give a number to a story that a workload has published."""
        number: int = one(
            self.db,
            "INSERT INTO bench_story SELECT max(n) + 1, %s, %s FROM bench_story RETURNING n",
            key_of(story),
            key_of(chapter),
        )
        return number


def global_id(kind: str, key: uuid.UUID) -> str:
    """The global id of an object."""
    return base64.b64encode(f"{kind}:{key}".encode()).decode()


def key_of(id_: str) -> uuid.UUID:
    """The key in a global id."""
    return uuid.UUID(base64.b64decode(id_).decode().rpartition(":")[2])


def rows(db: "psycopg.Connection[Any]", query: LiteralString, *parameters: object) -> Sequence[tuple[Any, ...]]:
    """All rows of a query."""
    return db.execute(query, parameters or None).fetchall()


def one(db: "psycopg.Connection[Any]", query: LiteralString, *parameters: object) -> Any:
    """The first column of a query's only row; None where there is none."""
    found = rows(db, query, *parameters)
    return found[0][0] if found else None
