-- A draft with three chapters, and the write to its author's shelf, in one statement.
\set n 1 + (:from + :client_id * :each + :k) % :people
\set k :k + 1
WITH shelf AS (
    UPDATE stories_shelf AS shelf SET
        story_count = story_count + 1, version = version + 1, stories_changed = version + 1, updated_at = now()
    FROM people_accesstoken AS token
    JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now()
      AND shelf.author_id = account.person_id AND shelf.stories_changed <= shelf.version
    RETURNING shelf.author_id
), story AS (
    INSERT INTO stories_story (
        id, author_id, title, summary, mature, warnings, status, version,
        title_changed, summary_changed, mature_changed, warnings_changed, status_changed, chapters_changed, texts_changed
    )
    SELECT uuidv7(), author_id, 'The well', 'What was said there.', false, '{}', 'DRAFT', 1, 1, 1, 1, 1, 1, 1, 1 FROM shelf
    RETURNING id
)
INSERT INTO stories_chapter
    (id, story_id, position, title, body, story_version, version, position_changed, title_changed, body_changed)
SELECT uuidv7(), story.id, chapter.position, 'Chapter ' || chapter.position, chapter.body, 1, 1, 1, 1, 1
FROM story CROSS JOIN (VALUES (1, :body::text), (2, :body::text), (3, :body::text)) AS chapter (position, body)
RETURNING id;
