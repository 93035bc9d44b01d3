-- A view by a reader, each another one: the place, the view of the day, the total, and the story's rank.
\set n 1 + (:from + :client_id * :each + :k) % :people
\set k :k + 1
\set m random(:first, :last)
BEGIN;
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
), raised AS (
    INSERT INTO stories_storytally AS tally (subject_id, kind, slot, count)
    SELECT story_id, 'views', floor(random() * 16)::int, 1 FROM viewed
    ON CONFLICT (subject_id, kind, slot) DO UPDATE SET count = tally.count + 1 RETURNING count
)
SELECT COALESCE((SELECT count FROM raised), 0) AS slot, (
    SELECT COALESCE(sum(count), 0) FROM stories_storytally
    WHERE kind = 'views' AND subject_id = (SELECT id FROM bench_story WHERE n = :m)
) AS before \gset
\if :slot >= 1 and :before < 128
UPDATE stories_storyrank SET views = views + 1 WHERE story_id = (SELECT id FROM bench_story WHERE n = :m);
\elif :slot >= 1 and :slot % 16 = 0
UPDATE stories_storyrank AS rank SET views = GREATEST(rank.views, tally.total)
FROM (
    SELECT subject_id, sum(count) AS total FROM stories_storytally
    WHERE kind = 'views' AND subject_id = (SELECT id FROM bench_story WHERE n = :m) GROUP BY subject_id
) AS tally WHERE rank.story_id = tally.subject_id;
\endif
COMMIT;
