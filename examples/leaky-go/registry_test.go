package leaky

import "testing"

func TestRegistersADriver(t *testing.T) {
	Register("postgres")
}

func TestRegistersItAgain(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		Register("postgres") // a panic: go test runs nothing after it
	})
}

func TestIsNotReached(t *testing.T) {}

func ExampleGreeting() {
	Register("example")
	// Output:
}
