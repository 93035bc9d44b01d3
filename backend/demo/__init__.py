"""Demo data: deterministic people, stories and their activity, loaded in one transaction.

sizes     how many rows of each kind, and the limits
chance    seeded random numbers, ids and timestamps
words     names, titles and texts
people    the people
stories   their stories
follows   follows and blocks
views     views of stories
tables    everything as rows, with those that nouns add by themselves, and the totals
load      loading the rows by COPY

Everything is dated before 2026, so that the data does not depend on the time of its creation, and a visitor's own actions
come last.
"""
