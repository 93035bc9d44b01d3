-- The first page of the feed of one of the people who follow enough others, as the JSON that GraphQL answers.
\set n random(1, :viewers)
WITH me AS (
    SELECT account.person_id AS id FROM people_accesstoken AS token
    JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now()
), page AS (
    SELECT story.*, me.id AS viewer_id
    FROM me JOIN follow ON follow.follower_id = me.id CROSS JOIN LATERAL (
        SELECT * FROM stories_story AS story
        WHERE story.author_id = follow.followee_id AND story.published_at IS NOT NULL AND NOT story.mature
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
        'relationship', CASE WHEN page.viewer_id = pair.low_id THEN json_build_object(
            'following', pair.low_follows_at IS NOT NULL, 'followedBy', pair.high_follows_at IS NOT NULL,
            'blocking', pair.low_blocks_at IS NOT NULL
        ) ELSE json_build_object(
            'following', pair.high_follows_at IS NOT NULL, 'followedBy', pair.low_follows_at IS NOT NULL,
            'blocking', pair.high_blocks_at IS NOT NULL
        ) END
    )
)) ORDER BY page.published_at DESC, page.id DESC)))
FROM page
JOIN people_person AS author ON author.id = page.author_id
JOIN social_relationship AS pair
  ON pair.low_id = LEAST(page.viewer_id, author.id) AND pair.high_id = GREATEST(page.viewer_id, author.id);
