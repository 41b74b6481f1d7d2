"""Unpacks archives that chance has made. `python -m tests.fuzz --help`; CONTRIBUTING.md says how and when.

corpus/        small archives to begin with, made by `make_corpus`, and those that once found something
mutations      from one archive to another, by a given source of chance
target         what must be true of unpacking, whatever the archive
"""
