"""Layers that travel: a tree of files as a manifest and artifacts, on the machine of the client and on a worker's.

    describe   a directory of this machine -> a manifest, and where the contents of what it names are
    packing    which files share an artifact
    tree       the manifest as data: encoded, decoded, validated
    realise    a manifest and a way to get artifacts -> a directory

See docs/decisions/artifacts.md.
"""
