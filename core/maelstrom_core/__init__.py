"""Words everybody speaks: specifications, outcomes, digests, configuration, errors, logging.

The lowest layer: imports no other package of the project.
"""
