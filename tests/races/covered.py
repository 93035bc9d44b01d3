"""Which test races each conditioned mutation: a version is a promise only if two who saw the same one were let loose on it.

A mutation of a noun of tests/nouns is named there, as RACES.
"""

from tests.nouns import merged

RELATIONSHIP, EDITING = "tests/races/test_relationship.py", "tests/races/test_editing.py"
MODERATION, MARKET = "tests/races/test_moderation.py", "tests/races/test_market.py"
DELETION = "tests/races/test_story_deletion.py::test_a_write_that_waited_for_a_deletion_is_told_when_it_was"

RACES = {
    "follow": f"{RELATIONSHIP}::test_of_eight_rivals_on_one_version_exactly_one_wins",
    "unfollow": f"{RELATIONSHIP}::test_of_eight_rivals_who_unfollow_exactly_one_wins",
    "removeFollower": f"{RELATIONSHIP}::test_of_an_unfollow_and_a_removal_one_ends_the_follow",
    "block": f"{RELATIONSHIP}::test_of_eight_conditioned_blocks_exactly_one_wins",
    "unblock": "tests/races/test_follow_block.py::test_a_follow_that_a_vanished_block_stopped_is_not_called_done",
    "updateProfile": "tests/races/test_profile.py::test_of_eight_rivals_on_one_version_exactly_one_wins",
    "createStory": "tests/races/test_shelf.py::test_of_eight_creates_on_one_version_exactly_one_wins",
    "publishStory": "tests/races/test_shelf.py::test_of_eight_who_publish_exactly_one_wins",
    "unpublishStory": "tests/races/test_publishing.py::test_publishing_and_unpublishing_take_turns",
    "updateStory": f"{EDITING}::test_of_eight_on_one_field_exactly_one_wins",
    "updateChapter": f"{EDITING}::test_of_eight_on_one_field_exactly_one_wins",
    "deleteStory": "tests/races/test_story_deletion.py::test_two_devices_delete_the_only_story",
    "deleteChapter": DELETION,
    "reorderChapters": DELETION,
    "restoreRevision": "tests/races/test_chapter_list.py::test_two_who_bring_one_chapter_back_make_one",
    "recordView": "tests/races/test_reading.py::test_of_eight_devices_with_eight_places_exactly_one_wins",
    "deleteWhisper": "tests/races/test_whispers.py::test_of_eight_deletions_one_happens",
    "claimReport": f"{MODERATION}::test_of_sixty_four_claims_one_wins",
    "unclaimReport": "tests/races/test_unclaiming.py::test_a_report_is_given_back_or_settled",
    "resolveReport": f"{MODERATION}::test_claiming_against_settling",
    "reopenReport": f"{MODERATION}::test_a_report_is_opened_again_beside_a_new_one",
    "setStock": f"{MARKET}::test_a_stock_that_was_set_has_seen_every_order",
    "updateOrder": f"{MARKET}::test_an_order_is_cancelled_once",
    "markNotificationRead": "tests/races/test_jobs.py::test_of_two_devices_one_marks_a_notification_read",
    **merged("RACES"),
}
