"""What CI and developers run: set-up, demonstration, benchmarks, comparison of verdicts. Never installed."""
