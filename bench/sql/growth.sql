-- Rows of the growth table, numbered from :first to :last: people who follow one person, stories and chapters.
INSERT INTO people_person (id, handle, name, bio, show_mature, joined_at, version, updated_at, name_changed, bio_changed, show_mature_changed)
SELECT bench_id(n), 'p' || n, 'Person ' || n, '', FALSE, now(), 1, now(), 1, 1, 1
FROM generate_series(:first::int, :last::int) AS n;

-- Person 0 has all others as followers; the viewer, person 1, follows the hundred authors after them.
INSERT INTO social_relationship (
    id, low_id, high_id, low_follows_at, high_follows_at, low_version, high_version, low_updated_at, high_updated_at,
    low_following_changed, low_followed_changed, low_blocking_changed,
    high_following_changed, high_followed_changed, high_blocking_changed
)
SELECT bench_id(n), bench_id(0), bench_id(n), NULL, '2026-01-01'::timestamptz + n * interval '1 second', 1, 1, now(), now(), 0, 1, 0, 1, 0, 0
FROM generate_series(GREATEST(:first::int, 1), :last::int) AS n
UNION ALL
SELECT bench_id(100000000 + n), bench_id(1), bench_id(n), now(), NULL, 1, 1, now(), now(), 1, 0, 0, 0, 1, 0
FROM generate_series(2, 101) AS n WHERE :first::int = 0;

INSERT INTO people_persontally (subject_id, kind, slot, count)
VALUES (bench_id(0), 'followers', 0, :last::int)
ON CONFLICT (subject_id, kind, slot) DO UPDATE SET count = excluded.count;

-- Every tenth title has the frequent word, twenty stories have the rare one.
INSERT INTO stories_story (
    id, author_id, title, summary, mature, warnings, status, published_at, created_at, version, updated_at,
    title_changed, summary_changed, mature_changed, warnings_changed, status_changed, chapters_changed, texts_changed
)
SELECT bench_id(n), bench_id(2 + n % 500),
    'Story ' || n || CASE WHEN n % 10 = 0 THEN ' well' ELSE '' END || CASE WHEN n < 20 THEN ' heron' ELSE '' END,
    'What was said there, and by whom.', FALSE, '{}', 'PUBLISHED', '2026-01-01'::timestamptz + n * interval '1 second',
    '2026-01-01', 1, now(), 1, 1, 1, 1, 1, 1, 1
FROM generate_series(:first::int, :last::int) AS n;

INSERT INTO stories_chapter (
    id, story_id, position, title, body, story_version, version, updated_at, position_changed, title_changed, body_changed
)
SELECT bench_id(n), bench_id(n), 1, 'Chapter', 'All that was said at the well.', 1, 1, now(), 1, 1, 1
FROM generate_series(:first::int, :last::int) AS n
UNION ALL
SELECT bench_id(100000000 + n), bench_id(0), n, 'Chapter', repeat('All that was said at the well. ', 64), 1, 1, now(), 1, 1, 1
FROM generate_series(2, 10) AS n WHERE :first::int = 0;
