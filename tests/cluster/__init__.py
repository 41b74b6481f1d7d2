"""A cluster of real processes, of which chance kills, stops and cuts off one after the other while jobs run."""
