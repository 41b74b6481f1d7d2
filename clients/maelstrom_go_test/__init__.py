"""The program maelstrom-go-test: runs the tests of Go modules, each in a container of its own."""
