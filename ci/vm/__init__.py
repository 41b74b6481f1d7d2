"""Tests on other kernels than this machine's: `python -m ci.vm`, as docs/decisions/kernels.md describes.

The kernel comes from a distribution's package, everything else from this machine, whose file system the guest sees
read-only. Nothing is installed, and no root is needed.
"""
