"""Benchmarks: each figure is a ratio of ours to a reference, measured alternately in one run.

`python -m ci.bench NAME` repeats one of them anywhere. No test asserts a time.
"""
