package leaky

import (
	"io"
	"net"
	"testing"
)

func TestListens(t *testing.T) {
	listener, err := Serve()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			io.WriteString(connection, embedded)
			connection.Close()
		}
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(connection); err != nil || string(text) != embedded {
		t.Fatal(string(text), err)
	}
}
