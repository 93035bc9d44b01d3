-- The first page of the feed of one of the people who follow enough others, as the JSON that GraphQL answers.
\set n random(1, :viewers)
WITH me AS MATERIALIZED (
    SELECT account.person_id AS id FROM people_accesstoken AS token
    JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now()
), page AS MATERIALIZED (
    SELECT story.*, pair.followed_by, pair.blocking
    FROM me CROSS JOIN LATERAL (
        SELECT high_id AS id, high_follows_at IS NOT NULL AS followed_by, low_blocks_at IS NOT NULL AS blocking
        FROM social_relationship WHERE low_id = me.id AND low_follows_at IS NOT NULL
        UNION ALL
        SELECT low_id, low_follows_at IS NOT NULL, high_blocks_at IS NOT NULL
        FROM social_relationship WHERE high_id = me.id AND high_follows_at IS NOT NULL
    ) AS pair CROSS JOIN LATERAL (
        SELECT id, version, title, summary, mature, author_id, published_at FROM stories_story AS story
        WHERE story.author_id = pair.id AND story.published_at IS NOT NULL AND NOT story.mature
        ORDER BY story.published_at DESC, story.id DESC LIMIT 20
    ) AS story
    ORDER BY story.published_at DESC, story.id DESC LIMIT 20
)
SELECT json_build_object('feed', json_build_object('edges', json_agg(json_build_object('node', json_build_object(
    'id', encode(convert_to('Story:' || page.id, 'UTF8'), 'base64'),
    'version', page.version::text, 'title', page.title, 'summary', page.summary, 'mature', page.mature,
    'chapterCount', (SELECT count(*) FROM stories_chapter WHERE story_id = page.id),
    'viewCount', (SELECT COALESCE(sum(count), 0)::bigint FROM stories_storytally WHERE subject_id = page.id AND kind = 'views'),
    'author', json_build_object(
        'id', encode(convert_to('Person:' || author.id, 'UTF8'), 'base64'),
        'handle', author.handle, 'name', author.name,
        'followerCount', (
            SELECT COALESCE(sum(count), 0)::bigint FROM people_persontally
            WHERE subject_id = author.id AND kind = 'followers'
        ),
        'relationship', json_build_object('following', true, 'followedBy', page.followed_by, 'blocking', page.blocking)
    )
)) ORDER BY page.published_at DESC, page.id DESC)))
FROM page CROSS JOIN LATERAL (SELECT id, handle, name FROM people_person WHERE id = page.author_id) AS author;
