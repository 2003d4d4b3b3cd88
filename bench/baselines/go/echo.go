package main

import "net"

// Bounds of a connection's buffer, and so of what it can owe its peer. It starts small, since 18,000 idle connections
// have one each, and grows when a read fills it: a message of 64 KiB is not cut into many reads for long.
const (
	bufferBytesMin = 1 << 10
	bufferBytesMax = 64 << 10
	bufferGrowth   = 4
)

// Echoes until the peer has closed its side and has all its bytes, or failed.
//
// A read that does not fill the buffer is followed by one more that finds the socket empty. RawConn.Read could park
// without it, but would then wait forever for a peer whose FIN came with its last bytes: the runtime's poller is
// edge-triggered, and that edge is spent.
func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, bufferBytesMin)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		// Waits where the peer reads slowly.
		if _, err := connection.Write(buffer[:count]); err != nil {
			return
		}
		if count == len(buffer) && count < bufferBytesMax {
			buffer = make([]byte, bufferGrowth*count)
		}
	}
}
