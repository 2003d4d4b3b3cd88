package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

const exitUsage = 64

// Returns the address to listen on. Ends the process with one line on bad usage.
func parseOptions(arguments []string) string {
	flags := flag.NewFlagSet("echo-go", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	host := flags.String("host", "127.0.0.1", "")
	port := flags.String("port", "0", "")
	if err := flags.Parse(arguments); err != nil {
		usage(err.Error())
	}
	if flags.NArg() > 0 {
		usage(fmt.Sprintf("unknown argument '%s'", flags.Arg(0)))
	}
	if net.ParseIP(*host) == nil {
		usage(fmt.Sprintf("not a numeric address '%s'", *host))
	}
	if _, err := strconv.ParseUint(*port, 10, 16); err != nil {
		usage(fmt.Sprintf("not a port '%s'", *port))
	}
	return net.JoinHostPort(*host, *port)
}

func usage(problem string) {
	fmt.Fprintf(os.Stderr, "echo-go: %s (usage: --host HOST --port PORT)\n", problem)
	os.Exit(exitUsage)
}
