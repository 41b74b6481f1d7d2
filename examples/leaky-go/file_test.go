package leaky

import (
	"os"
	"path/filepath"
	"testing"
)

var cache = filepath.Join(os.TempDir(), "leaky-go-example-cache.txt")

func fill() error {
	file, err := os.OpenFile(cache, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

func TestFillsTheCache(t *testing.T) {
	if err := fill(); err != nil {
		t.Fatal(err)
	}
}

func TestFillsItFromAnotherPlace(t *testing.T) {
	if err := fill(); err != nil {
		t.Fatal(err)
	}
}
