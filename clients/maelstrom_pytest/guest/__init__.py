"""What runs inside the container, under the project's own interpreter.

Never imported by maelstrom: these modules are files that are shown to the container and loaded there by
`boot` without a place on `sys.path`. They run on Python 3.8 and later with pytest 7 and later, import nothing
but the standard library and pytest, and as little of it as will do: they are paid for with every test.
"""
