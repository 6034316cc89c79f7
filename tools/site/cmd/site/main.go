// Command site serves one unit's web site from mounted folders. It has no arguments and writes nothing but its log.
//
//	SITE_FOLDER  pages, with an index.html        /srv
//	SITE_TLS     tls.crt and tls.key              /tls
//	SITE_HTTPS   where pages are served           :8443
//	SITE_HTTP    where the node asks /-/ready     :8080
//	SITE_LINGER  how long it goes on after SIGTERM, so that whoever routes to it can learn of it   2s
//	SITE_GRACE   how long requests under way may take after that   10s
package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"donvi/site/internal/content"
	"donvi/site/internal/keypair"
	"donvi/site/internal/server"
)

// interval is how old what was read from the folders may be.
const interval = time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	site := &server.Site{
		Pages:  content.Open(setting("SITE_FOLDER", "/srv"), interval),
		Pair:   keypair.Open(setting("SITE_TLS", "/tls"), interval),
		Linger: duration("SITE_LINGER", "2s"),
		Grace:  duration("SITE_GRACE", "10s"),
	}
	secure, plain := listen(setting("SITE_HTTPS", ":8443")), listen(setting("SITE_HTTP", ":8080"))
	slog.Info("serving", "pages", secure.Addr().String(), "questions", plain.Addr().String())
	if err := site.Ready(); err != nil {
		slog.Warn("not ready", "reason", err.Error())
	}
	if err := site.Serve(ctx, secure, plain); err != nil {
		slog.Error("ended", "reason", err.Error())
		os.Exit(1)
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func duration(name, otherwise string) time.Duration {
	value, err := time.ParseDuration(setting(name, otherwise))
	if err != nil {
		slog.Error("a duration such as 10s is needed", "variable", name, "reason", err.Error())
		os.Exit(2)
	}
	return value
}

func listen(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		slog.Error("can't listen", "address", address, "reason", err.Error())
		os.Exit(1)
	}
	return listener
}
