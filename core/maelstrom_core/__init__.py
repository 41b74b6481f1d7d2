"""Words everybody speaks: specifications, outcomes, digests, configuration, errors, logging.

The lowest layer: imports no other package of the project.
"""

__version__ = "0.1.0"
