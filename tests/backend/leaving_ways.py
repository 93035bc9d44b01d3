"""Ways to break what `verify` checks of people who have left: check, pick, how, what is shown, and which checks see it too."""

PERSON = "SELECT id FROM people_person WHERE handle = 'bilal'"
MARK = "INSERT INTO people_departure (person_id, stage, done) VALUES ('{{it}}', 0, {done})"
LEFT = "UPDATE people_person SET left_at = now(), version = version + 1, name_changed = version + 1 WHERE id = '{it}'"
HALF_GONE = frozenset({"who_left_is_swept", "who_left_cannot_sign_in", "who_left_has_no_profile"})

WAYS = [
    (
        "who_left_is_swept",
        PERSON,
        MARK.format(done="false"),
        "person_id={it} left_at=None stage=0",
        frozenset({"sweeping_goes_on"}),
    ),
    ("who_left_is_swept", PERSON, LEFT, "person_id={it}", HALF_GONE),
    ("who_left_cannot_sign_in", PERSON, LEFT, "person_id={it} login=bilal", HALF_GONE),
    ("who_left_has_no_profile", PERSON, LEFT, "id={it} handle=bilal", HALF_GONE),
    (
        "sweeping_goes_on",
        PERSON,
        MARK.format(done="false"),
        "person_id={it} stage=0",
        frozenset({"who_left_is_swept"}),
    ),
    (
        "nothing_is_left_behind",
        PERSON,
        MARK.format(done="true"),
        "of=social_relationship person_id={it}",
        frozenset({"who_left_is_swept"}),
    ),
    (
        "presence_guards",
        "SELECT 1",
        "DROP TRIGGER whisper_of_somebody ON whispers_whisper",
        "trigger=whisper_of_somebody state=missing",
    ),
    (
        "presence_guards",
        "SELECT 1",
        "ALTER TABLE market_order DISABLE TRIGGER order_of_somebody",
        "trigger=order_of_somebody state=D",
        frozenset({"triggers"}),
    ),
]
