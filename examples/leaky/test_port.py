"""The one thing: a TCP port of the machine."""

import socket

import app


def test_a_client_can_connect():
    app.serve()
    with socket.create_connection(("127.0.0.1", app.PORT), timeout=5) as client:
        assert client.getpeername()[1] == app.PORT


def test_the_server_listens_on_the_known_port():
    assert app.serve().getsockname() == ("127.0.0.1", app.PORT)
