"""The program maelstrom-admin: looks at a cluster, and changes what runs there; speaks to the broker only."""
