"""Ends things that other nouns hang on: a story, a chapter, a whisper, an account.

It knows what it ends, and asks each noun to clear its own part. A noun says so by functions of these names in a module
`erasure` of its own package, which are collected and called inside the unit of work:

`check_story_deletion(story_id)`          raise `Invalid` if the story must stay, else clear what would keep it
`keeps_story(story_id)`                   the same for a story whose author has left: True if it must stay, without its texts
`story_deleted(story_id, chapter_ids)`    the story and its chapters are gone, or without texts: clear what is about them
`sweep_story(story_id, limit)`            clear at most so many rows of a story whose author has left; True if there may be more
`chapter_deleted(chapter, remaining)`     the chapter is gone; `remaining` are the ids of the others, in order
`whispers_deleted(whisper_ids)`           these whispers are gone
`sweep_person(person_id, limit)`          clear at most so many rows of a person who has left; True if there may be more.
                                          With `SWEEP_STAGE`, a number: lower ones are swept first
`SWEPT_COLUMNS`                           by table the columns that refer to nobody once their person is swept

The nouns are asked in the order of INSTALLED_APPS, which is the order of their locks.
"""
