package leaky

import (
	"os"
	"testing"
)

func TestShouts(t *testing.T) {
	os.Setenv("SHOUT", "1")
	if text, err := Greeting(); err != nil || text != "HELLO\n" {
		t.Fatal(text, err)
	}
}

func TestSpeaksSoftly(t *testing.T) {
	if text, err := Greeting(); err != nil || text != "hello\n" {
		t.Fatal(text, err)
	}
}
