"""Compares verdicts test by test: plain pytest and maelstrom-pytest over the same suite. The program is ci/verdicts.

Standard library only: it runs under whatever Python is at hand, beside suites with environments of their own.
"""
