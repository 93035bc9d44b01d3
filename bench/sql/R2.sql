-- A published story with its author and chapters, as the JSON that GraphQL answers.
SELECT json_build_object('story', json_build_object(
    'id', encode(convert_to('Story:' || story.id, 'UTF8'), 'base64'),
    'version', story.version::text, 'title', story.title, 'summary', story.summary, 'mature', story.mature,
    'author', json_build_object(
        'id', encode(convert_to('Person:' || author.id, 'UTF8'), 'base64'), 'handle', author.handle, 'name', author.name
    ),
    'chapters', (
        SELECT json_agg(json_build_object(
            'id', encode(convert_to('Chapter:' || chapter.id, 'UTF8'), 'base64'),
            'version', chapter.version::text, 'position', chapter.position, 'title', chapter.title, 'body', chapter.body
        ) ORDER BY chapter.position)
        FROM stories_chapter AS chapter WHERE chapter.story_id = story.id
    )
))
FROM bench_story JOIN stories_story AS story ON story.id = bench_story.id
JOIN people_person AS author ON author.id = story.author_id
WHERE bench_story.n = :story AND story.published_at IS NOT NULL;
