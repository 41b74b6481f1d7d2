package leaky

import (
	"os"
	"testing"
)

func TestMovesElsewhere(t *testing.T) {
	if err := os.Chdir(os.TempDir()); err != nil {
		t.Fatal(err)
	}
}

func TestGreets(t *testing.T) {
	if text, err := Greeting(); err != nil || text != embedded {
		t.Fatal(text, err)
	}
}
