-- A copy of an edition, if there is one left: the stock, the order, its line, and the idempotency key, in one statement.
\set n random(1, :people)
WITH me AS (
    SELECT account.person_id AS id FROM people_accesstoken AS token
    JOIN people_account AS account ON account.person_id = token.account_id AND account.is_active
    WHERE token.digest = sha256(convert_to('bench-' || :n, 'UTF8')) AND token.expires_at > now()
), sold AS (
    UPDATE market_edition AS edition SET
        stock = edition.stock - 1, version = edition.version + 1, stock_changed = edition.version + 1, updated_at = now()
    FROM me, stories_story AS story
    WHERE edition.id = :edition::uuid AND edition.stock >= 1
      AND story.id = edition.story_id AND story.published_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM social_relationship AS pair
        WHERE pair.low_id = LEAST(me.id, story.author_id) AND pair.high_id = GREATEST(me.id, story.author_id)
          AND (pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL)
      )
    RETURNING edition.id, edition.author_id, edition.price_cents, me.id AS buyer_id
), placed AS (
    INSERT INTO market_order (id, author_id, buyer_id, total_cents, status, version, status_changed)
    SELECT uuidv7(), author_id, buyer_id, price_cents, 'PLACED', 1, 1 FROM sold
    RETURNING id, buyer_id
), line AS (
    INSERT INTO market_orderline (order_id, edition_id, author_id, number, quantity, price_cents)
    SELECT placed.id, sold.id, sold.author_id, 1, 1, sold.price_cents FROM placed CROSS JOIN sold
)
INSERT INTO engine_idempotencykey (person_id, key, fingerprint, reply, created_at)
SELECT buyer_id, gen_random_uuid(), sha256(uuid_send(id)), jsonb_build_object('order', id), now() FROM placed
RETURNING key;
