// Package leaky does what programs do: it reads files and the environment, keeps things in variables, listens on
// ports. Each of these exists once per process.
package leaky

import (
	_ "embed"
	"net"
	"os"
	"strings"
)

//go:embed testdata/greeting.txt
var embedded string

// Drivers are known by their names, once for all.
var drivers = map[string]bool{}

// Register makes a driver known. It panics if that is done twice.
func Register(name string) {
	if drivers[name] {
		panic("driver registered twice: " + name)
	}
	drivers[name] = true
}

// Greeting reads the greeting from a file, in the language of the environment.
func Greeting() (string, error) {
	text, err := os.ReadFile("testdata/greeting.txt")
	if os.Getenv("SHOUT") != "" {
		return strings.ToUpper(string(text)), err
	}
	return string(text), err
}

// Serve listens where anybody on this machine can reach it.
func Serve() (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}
