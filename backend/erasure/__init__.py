"""Deletes what other nouns' rows depend on: a story, a chapter, a whisper, an account.

What happens when somebody leaves: `leaving` marks the account, and a job (`sweeping`) then deletes the data.

Each noun deletes its own rows. For that it has a module `erasure` in its package with functions of these names, which
are collected and called inside the unit of work:

`check_story_deletion(story_id)`          raise `Invalid` if the story must stay, else delete what refers to it
`keeps_story(story_id)`                   the same for a story whose author has left: True if it must stay, without texts
`story_deleted(story_id, chapter_ids)`    the story and its chapters are deleted or emptied: delete what is about them
`sweep_story(story_id, limit)`            delete up to `limit` rows of a story whose author has left; True if more are left
`chapter_deleted(chapter, remaining)`     the chapter is deleted; `remaining` are the ids of the others, in order
`chapter_restored(chapter)`               the chapter, which had been deleted, is there again
`check_hand_over(story_id)`               raise `Invalid` if the story, which is locked, cannot go to another author
`people_parted(one, other)`               one of two people has blocked the other: end what the two have together
`whispers_deleted(whisper_ids)`           these whispers are deleted
`sweep_person(person_id, limit)`          delete up to `limit` rows of a person who has left; True if more are left.
                                          With `SWEEP_STAGE`, a number: lower stages run first
`SWEPT_COLUMNS`                           by table, the columns that refer to nobody whose sweep is done

The nouns are called in the order of INSTALLED_APPS. Of those that have one of these functions, this is the order of
their locks; the market's own two are called before the others.
"""
