"""What all test runners share."""
