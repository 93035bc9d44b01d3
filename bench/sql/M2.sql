-- A person follows another one, and leaves it again: two transactions of one statement each.
\set n 1 + (:from + :client_id * :each + :k) % :people
\set k :k + 1
\set m 1 + (:n - 1 + :shift) % :people
WITH pair AS (
    SELECT me.person_id AS me, them.id AS them, me.person_id < them.id AS low
    FROM people_accesstoken AS token
    JOIN people_account AS me ON me.person_id = token.account_id AND me.is_active
    CROSS JOIN bench_person AS them
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now() AND them.n = :m
), tied AS (
    INSERT INTO social_relationship AS known (
        id, low_id, high_id, low_follows_at, high_follows_at, low_version, high_version,
        low_following_changed, low_followed_changed, low_blocking_changed,
        high_following_changed, high_followed_changed, high_blocking_changed
    )
    SELECT uuidv7(), LEAST(me, them), GREATEST(me, them), CASE WHEN low THEN now() END, CASE WHEN NOT low THEN now() END, 1, 1,
        low::int, 1 - low::int, 0, 1 - low::int, low::int, 0
    FROM pair
    ON CONFLICT (low_id, high_id) DO UPDATE SET
        low_follows_at = COALESCE(known.low_follows_at, EXCLUDED.low_follows_at),
        high_follows_at = COALESCE(known.high_follows_at, EXCLUDED.high_follows_at),
        low_version = known.low_version + 1, high_version = known.high_version + 1,
        low_following_changed =
            CASE EXCLUDED.low_following_changed WHEN 1 THEN known.low_version + 1 ELSE known.low_following_changed END,
        low_followed_changed =
            CASE EXCLUDED.low_followed_changed WHEN 1 THEN known.low_version + 1 ELSE known.low_followed_changed END,
        high_following_changed =
            CASE EXCLUDED.high_following_changed WHEN 1 THEN known.high_version + 1 ELSE known.high_following_changed END,
        high_followed_changed =
            CASE EXCLUDED.high_followed_changed WHEN 1 THEN known.high_version + 1 ELSE known.high_followed_changed END,
        low_updated_at = now(), high_updated_at = now()
    WHERE known.low_blocks_at IS NULL AND known.high_blocks_at IS NULL
      AND CASE EXCLUDED.low_following_changed WHEN 1 THEN known.low_follows_at ELSE known.high_follows_at END IS NULL
    RETURNING known.id
)
INSERT INTO people_persontally AS tally (subject_id, kind, slot, count)
SELECT side.id, side.kind, floor(random() * 16)::int, 1
FROM tied CROSS JOIN pair CROSS JOIN LATERAL (VALUES (me, 'following'), (them, 'followers')) AS side (id, kind)
ORDER BY side.id
ON CONFLICT (subject_id, kind, slot) DO UPDATE SET count = tally.count + 1;
WITH pair AS (
    SELECT me.person_id AS me, them.id AS them, me.person_id < them.id AS low
    FROM people_accesstoken AS token
    JOIN people_account AS me ON me.person_id = token.account_id AND me.is_active
    CROSS JOIN bench_person AS them
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now() AND them.n = :m
), left_again AS (
    UPDATE social_relationship AS known SET
        low_follows_at = CASE WHEN NOT low THEN known.low_follows_at END,
        high_follows_at = CASE WHEN low THEN known.high_follows_at END,
        low_version = known.low_version + 1, high_version = known.high_version + 1,
        low_following_changed = CASE WHEN low THEN known.low_version + 1 ELSE known.low_following_changed END,
        low_followed_changed = CASE WHEN NOT low THEN known.low_version + 1 ELSE known.low_followed_changed END,
        high_following_changed = CASE WHEN NOT low THEN known.high_version + 1 ELSE known.high_following_changed END,
        high_followed_changed = CASE WHEN low THEN known.high_version + 1 ELSE known.high_followed_changed END,
        low_updated_at = now(), high_updated_at = now()
    FROM pair
    WHERE known.low_id = LEAST(me, them) AND known.high_id = GREATEST(me, them)
      AND CASE WHEN low THEN known.low_follows_at ELSE known.high_follows_at END IS NOT NULL
      AND CASE WHEN low THEN known.low_following_changed ELSE known.high_following_changed END
          <= CASE WHEN low THEN known.low_version ELSE known.high_version END
    RETURNING known.id
)
INSERT INTO people_persontally AS tally (subject_id, kind, slot, count)
SELECT side.id, side.kind, floor(random() * 16)::int, -1
FROM left_again CROSS JOIN pair CROSS JOIN LATERAL (VALUES (me, 'following'), (them, 'followers')) AS side (id, kind)
ORDER BY side.id
ON CONFLICT (subject_id, kind, slot) DO UPDATE SET count = tally.count - 1;
