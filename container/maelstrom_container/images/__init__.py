"""Container images: from a name to layers of the store, an environment, a directory and a user.

    name           what an image can be called                     pure
    documents      indexes, manifests, configurations              pure
    challenge      what a registry wants before it answers         pure
    tag_lock       which digest a tag meant                        one file of the project
    credentials    what ~/.docker/config.json knows
    layout         sources: directories and archives
    registry       source: a registry, over HTTP
    store          all of it together

Whatever comes from a source is hostile: it is bounded by what was announced before, and checked against the digest
that named it before anybody can see it (docs/decisions/images.md).
"""
