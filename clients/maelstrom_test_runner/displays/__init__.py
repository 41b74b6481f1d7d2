"""What people see of a run while it goes on: one module for each kind of display, all of them consumers of events."""
