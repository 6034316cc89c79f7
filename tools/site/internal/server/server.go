// Package server answers for one unit's web site: pages over TLS, and the node's questions over plain HTTP.
package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"donvi/site/internal/content"
	"donvi/site/internal/keypair"
)

// headers go with every answer over TLS. The page brings its own style sheet and images and nothing else; OWASP's
// secure headers project gives the reasons one by one.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Referrer-Policy":              "no-referrer",
	"Strict-Transport-Security":    "max-age=31536000",
	"X-Content-Type-Options":       "nosniff",
}

// Site is the web site of one unit.
type Site struct {
	Pages *content.Folder
	Pair  *keypair.Folder
	// Linger is how long it still takes connections after it was told to end: until then others may not know.
	Linger time.Duration
	// Grace is how long requests that are under way may take after that.
	Grace  time.Duration
	ending atomic.Bool
}

// Serve answers on both listeners until the context ends, then lets requests under way finish.
func (s *Site) Serve(ctx context.Context, secure, plain net.Listener) error {
	pages := &http.Server{
		Handler:           http.HandlerFunc(s.page),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.Pair.ForHandshake},
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	questions := &http.Server{Handler: http.HandlerFunc(s.question), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- pages.ServeTLS(secure, "", "") }()
	go func() { ended <- questions.Serve(plain) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	s.ending.Store(true)
	time.Sleep(s.Linger)
	last, cancel := context.WithTimeout(context.Background(), s.Grace)
	defer cancel()
	return errors.Join(pages.Shutdown(last), questions.Shutdown(last))
}

// Ready says why the site can't be served, or nothing.
func (s *Site) Ready() error {
	if s.ending.Load() {
		return errors.New("ending")
	}
	if pair, err := s.Pair.Current(); pair == nil {
		return err
	}
	files, err := s.Pages.Files()
	if files == nil {
		return err
	}
	return nil
}

func (s *Site) question(answer http.ResponseWriter, request *http.Request) {
	answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch request.URL.Path {
	case "/-/live":
		_, _ = answer.Write([]byte("live\n"))
	case "/-/ready":
		if err := s.Ready(); err != nil {
			answer.WriteHeader(http.StatusServiceUnavailable)
			_, _ = answer.Write([]byte("not ready: " + err.Error() + "\n"))
			return
		}
		_, _ = answer.Write([]byte("ready\n"))
	default:
		answer.WriteHeader(http.StatusNotFound)
	}
}

func (s *Site) page(answer http.ResponseWriter, request *http.Request) {
	for name, value := range headers {
		answer.Header().Set(name, value)
	}
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		answer.Header().Set("Allow", "GET, HEAD")
		say(answer, http.StatusMethodNotAllowed, "Chỉ xem được trang này.")
		return
	}
	files, err := s.Pages.Files()
	if files == nil {
		slog.Error("no pages", "reason", err)
		say(answer, http.StatusServiceUnavailable, "Trang đang được chuẩn bị.")
		return
	}
	name := strings.TrimPrefix(request.URL.Path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += content.Index
	}
	file, found := files[name]
	if !found {
		missing(answer, request, files)
		return
	}
	answer.Header().Set("Content-Type", file.Type)
	answer.Header().Set("ETag", file.ETag)
	answer.Header().Set("Cache-Control", "no-cache") // asked again each time, sent again only when it changed
	http.ServeContent(answer, request, name, time.Time{}, bytes.NewReader(file.Data))
}

// missing answers with the folder's own page for that, when it has one.
func missing(answer http.ResponseWriter, request *http.Request, files map[string]content.File) {
	file, found := files[content.Missing]
	if !found {
		say(answer, http.StatusNotFound, "Không có trang này.")
		return
	}
	answer.Header().Set("Content-Type", file.Type)
	answer.Header().Set("Cache-Control", "no-store")
	answer.WriteHeader(http.StatusNotFound)
	if request.Method == http.MethodGet {
		_, _ = answer.Write(file.Data)
	}
}

func say(answer http.ResponseWriter, status int, text string) {
	answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
	answer.Header().Set("Cache-Control", "no-store")
	answer.WriteHeader(status)
	_, _ = answer.Write([]byte(text + "\n"))
}
