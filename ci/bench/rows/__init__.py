"""One module for each family of benchmarks; in each, `ours` is the only function that touches the project.

`registry` lists them all.
"""
