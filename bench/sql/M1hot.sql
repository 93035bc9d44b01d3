-- A view by a reader, as in M1.sql, but the total is one row, for which all readers of a story wait. One statement.
\set n 1 + (:from + :client_id * :each + :k) % :people
\set k :k + 1
\set m random(:first, :last)
WITH me AS (
    SELECT account.person_id AS id FROM people_accesstoken AS token
    JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now()
), held AS (
    SELECT story.id, story.version, story.author_id, chapter.id AS chapter_id, me.id AS reader_id
    FROM me CROSS JOIN bench_story
    JOIN stories_story AS story ON story.id = bench_story.id
    JOIN stories_chapter AS chapter ON chapter.id = bench_story.chapter_id AND chapter.story_id = story.id
    WHERE bench_story.n = :m AND story.published_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM social_relationship AS pair
        WHERE pair.low_id = LEAST(me.id, story.author_id) AND pair.high_id = GREATEST(me.id, story.author_id)
          AND (pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)
    )
    FOR KEY SHARE OF story, chapter
), placed AS (
    INSERT INTO reading_reading
        (id, story_id, reader_id, chapter_id, "offset", story_version, version, place_changed)
    SELECT uuidv7(), id, reader_id, chapter_id, 1999, version, 1, 1 FROM held
    ON CONFLICT (story_id, reader_id) DO NOTHING
), viewed AS (
    INSERT INTO reading_view (story_id, reader_id, day)
    SELECT id, reader_id, (now() AT TIME ZONE 'UTC')::date FROM held WHERE author_id <> reader_id
    ON CONFLICT DO NOTHING RETURNING story_id
)
INSERT INTO stories_storytally AS tally (subject_id, kind, slot, count)
SELECT story_id, 'views', 0, 1 FROM viewed
ON CONFLICT (subject_id, kind, slot) DO UPDATE SET count = tally.count + 1;
