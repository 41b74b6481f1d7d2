"""The program cargo-maelstrom, also `cargo maelstrom`: the tests of a Cargo project, each in a container of its own."""
