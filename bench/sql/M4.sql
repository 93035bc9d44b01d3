-- One attempt at a new title: the look, and the write that happens if nobody has written since, with what it replaced.
\set title random(1, 1000000000)
SELECT version AS seen FROM stories_story WHERE id = :story::uuid \gset
WITH me AS (
    SELECT account.person_id AS id FROM people_accesstoken AS token
    JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
    WHERE token.digest = sha256(convert_to('bench-' || :author, 'UTF8')) AND token.expires_at > now()
), earlier AS (
    SELECT story.* FROM stories_story AS story JOIN me ON me.id = story.author_id
    WHERE story.id = :story::uuid AND story.version >= :seen
      AND story.title_changed <= :seen AND story.summary_changed <= :seen
      AND story.mature_changed <= :seen AND story.warnings_changed <= :seen
    FOR NO KEY UPDATE OF story
), written AS (
    UPDATE stories_story AS story SET
        title = 'Title ' || :title, version = story.version + 1, title_changed = story.version + 1, updated_at = now()
    FROM earlier WHERE story.id = earlier.id
    RETURNING story.id, story.author_id, story.version, earlier.title, earlier.title_changed
)
INSERT INTO stories_revision (id, story_id, chapter_id, version, by_id, values, since, size)
SELECT uuidv7(), id, NULL, version, author_id, jsonb_build_object('title', title),
    jsonb_build_object('title', title_changed), length(title) + 12
FROM written RETURNING id;
