"""The broker: who runs what, where. It knows jobs, workers and artifacts, and nothing of containers."""
