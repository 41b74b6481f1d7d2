"""What is written of a run for other programs: one module for each format, all of them consumers of events."""
