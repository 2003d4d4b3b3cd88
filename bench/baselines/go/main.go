// Echo server in Go: the net package, a goroutine per connection.
//
// GOMAXPROCS is left alone: the runtime takes the CPUs of the affinity mask, so a pinned server has one.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A client that could not be accepted for want of descriptors or memory stays in the backlog for so long.
const acceptPause = 100 * time.Millisecond

func main() {
	address := parseOptions(os.Args[1:])
	raiseDescriptorLimit()

	ending := make(chan os.Signal, 1)
	signal.Notify(ending, syscall.SIGINT, syscall.SIGTERM)

	// The backlog is the kernel's somaxconn, which the net package reads: 4,096 unless set otherwise, and the most that
	// any server gets. Keep-alive would cost each accepted connection three more calls.
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		fail(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())

	go serve(listener)
	<-ending
}

// Connections have TCP_NODELAY: the net package sets it.
func serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		switch {
		case err == nil:
			go echo(connection)
		case isShortage(err):
			time.Sleep(acceptPause)
		default:
			fail(err)
		}
	}
}

func isShortage(err error) bool {
	for _, shortage := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, shortage) {
			return true
		}
	}
	return false
}

// Older releases than 1.19 do not do this by themselves.
func raiseDescriptorLimit() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fail(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "echo-go: %v\n", err)
	os.Exit(1)
}
