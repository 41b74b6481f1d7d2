"""A client's jobs on a cluster: `placement` decides what runs here and what is offered to the broker.

`cluster` does it, `publisher` brings the layers there. Imported by programs that were told of a broker only.
"""
