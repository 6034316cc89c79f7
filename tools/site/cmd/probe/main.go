// Command probe tries connections from inside a pod, for proofs of what may reach what.
//
//	probe listen :9000 [:9001…]          answers every line with the same line, until ended
//	probe connect HOST:PORT [DEADLINE]   one line there and back
//	probe hold HOST:PORT [DEADLINE]      lines there and back on one connection; ends when an answer stays out
//
// Exit status of connect and hold: 0 answered, 3 refused, 4 no answer within the deadline (2s), 5 closed by the other
// side, 6 anything else. A probe that isn't answered proves nothing unless the same target answered another one.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	answered = 0
	usage    = 2
	refused  = 3
	silent   = 4
	closed   = 5
	other    = 6
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: probe listen :PORT… | connect HOST:PORT [DEADLINE] | hold HOST:PORT [DEADLINE]")
		os.Exit(usage)
	}
	switch os.Args[1] {
	case "listen":
		os.Exit(listen(os.Args[2:]))
	case "connect":
		os.Exit(try(os.Args[2], deadline(), 1))
	case "hold":
		os.Exit(try(os.Args[2], deadline(), 0))
	default:
		fmt.Fprintln(os.Stderr, "unknown:", os.Args[1])
		os.Exit(usage)
	}
}

func deadline() time.Duration {
	if len(os.Args) < 4 {
		return 2 * time.Second
	}
	value, err := time.ParseDuration(os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(usage)
	}
	return value
}

func listen(addresses []string) int {
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return other
		}
		go accept(listener)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	return answered
}

func accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			_, _ = io.Copy(connection, connection)
		}()
	}
}

// try exchanges lines on one connection, endlessly when count is 0, and says how that ended.
func try(target string, within time.Duration, count int) int {
	connection, err := net.DialTimeout("tcp", target, within)
	if err != nil {
		return outcome(err)
	}
	defer connection.Close()
	lines := bufio.NewReader(connection)
	for number := 1; count == 0 || number <= count; number++ {
		if err := exchange(connection, lines, number, within); err != nil {
			return outcome(err)
		}
		if count == 0 {
			time.Sleep(100 * time.Millisecond)
		}
	}
	return answered
}

func exchange(connection net.Conn, lines *bufio.Reader, number int, within time.Duration) error {
	if err := connection.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connection, "line %d\n", number); err != nil {
		return err
	}
	line, err := lines.ReadString('\n')
	if err == nil {
		fmt.Print(line)
	}
	return err
}

func outcome(err error) int {
	fmt.Fprintln(os.Stderr, err)
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.As(err, &network) && network.Timeout():
		return silent
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return closed
	default:
		return other
	}
}
