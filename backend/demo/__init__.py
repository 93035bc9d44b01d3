"""Demo data: people, stories and what they do, made up the same way every time and loaded in one go.

sizes     how much of everything, and how much is too much
chance    the same chance for the same seed; ids and moments made from it
words     names, titles and texts
people    who there is
stories   what they wrote
follows   who follows and who blocks whom
views     who read what
tables    all of it as rows, with the totals that count them
load      the rows into the database, by COPY, in one transaction

Everything has happened before 2026, so that a demo is the same whenever it is made, and whatever a visitor does comes
last.
"""
