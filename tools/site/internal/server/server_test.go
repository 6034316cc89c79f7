package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"donvi/site/internal/content"
	"donvi/site/internal/keypair"
)

const host = "vung-tau.tphcm.test"

// bench is a running site with its folders, and a client that trusts whatever certificate is in them.
type bench struct {
	pages, pair   string
	secure, plain net.Listener
	end           context.CancelFunc
	ended         chan error
	roots         *x509.CertPool
}

func start(t *testing.T) *bench {
	t.Helper()
	b := &bench{pages: t.TempDir(), pair: t.TempDir(), ended: make(chan error, 1), roots: x509.NewCertPool()}
	b.secure, b.plain = listener(t), listener(t)
	ctx, end := context.WithCancel(context.Background())
	b.end = end
	site := &Site{Pages: content.Open(b.pages, 0), Pair: keypair.Open(b.pair, 0), Grace: 5 * time.Second}
	go func() { b.ended <- site.Serve(ctx, b.secure, b.plain) }()
	t.Cleanup(end)
	return b
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	opened, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func (b *bench) write(t *testing.T, folder, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certify puts a certificate with this serial number and its key into the folder.
func (b *bench) certify(t *testing.T, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	b.write(t, b.pair, keypair.Certificate, certificate)
	b.write(t, b.pair, keypair.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	b.roots.AppendCertsFromPEM(certificate)
}

func (b *bench) ask(t *testing.T, method, path string, header map[string]string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, "https://"+b.secure.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: b.roots, ServerName: host},
		ForceAttemptHTTP2: true,
		DisableKeepAlives: true,
	}
	return answer(t, transport, request)
}

func (b *bench) question(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+b.plain.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, &http.Transport{DisableKeepAlives: true}, request)
}

func answer(t *testing.T, transport *http.Transport, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestItIsReadyOnlyWithACertificateAndAPage(t *testing.T) {
	b := start(t)
	if got, text := b.question(t, "/-/ready"); got.StatusCode != 503 || !strings.Contains(text, "tls.crt") {
		t.Fatalf("without anything: %d %s", got.StatusCode, text)
	}
	b.certify(t, 1)
	if got, text := b.question(t, "/-/ready"); got.StatusCode != 503 || !strings.Contains(text, "index.html") {
		t.Fatalf("without a page: %d %s", got.StatusCode, text)
	}
	b.write(t, b.pages, "index.html", []byte("một"))
	if got, text := b.question(t, "/-/ready"); got.StatusCode != 200 {
		t.Fatalf("with both: %d %s", got.StatusCode, text)
	}
	if got, _ := b.question(t, "/index.html"); got.StatusCode != 404 {
		t.Fatal("the page is served without TLS")
	}
}

func TestAPageIsServedWithItsTypeAndStrictHeaders(t *testing.T) {
	b := start(t)
	b.certify(t, 1)
	b.write(t, b.pages, "index.html", []byte("<!doctype html><p>Phường Vũng Tàu"))
	got, text := b.ask(t, "GET", "/", nil)
	if got.StatusCode != 200 || got.ProtoMajor != 2 || !strings.Contains(text, "Phường Vũng Tàu") {
		t.Fatalf("%d over HTTP %d: %s", got.StatusCode, got.ProtoMajor, text)
	}
	if kind := got.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Fatal(kind)
	}
	if policy := got.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none';") {
		t.Fatal(policy)
	}
	if got.Header.Get("X-Content-Type-Options") != "nosniff" || got.Header.Get("Strict-Transport-Security") == "" {
		t.Fatal(got.Header)
	}
	same, _ := b.ask(t, "GET", "/", map[string]string{"If-None-Match": got.Header.Get("ETag")})
	if same.StatusCode != 304 {
		t.Fatalf("an unchanged page is sent again: %d", same.StatusCode)
	}
}

func TestNothingButFilesOfTheFolderIsServed(t *testing.T) {
	b := start(t)
	b.certify(t, 1)
	b.write(t, b.pages, "index.html", []byte("một"))
	b.write(t, b.pages, ".hidden", []byte("no"))
	for _, path := range []string{"/.hidden", "/../index.html", "/%2e%2e/tls.key", "/img/", "/index.html/"} {
		if got, text := b.ask(t, "GET", path, nil); got.StatusCode != 404 {
			t.Errorf("%s: %d %s", path, got.StatusCode, text)
		}
	}
	if got, _ := b.ask(t, "POST", "/", nil); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", got.StatusCode)
	}
}

func TestTheFoldersOwnPageSaysThatSomethingIsMissing(t *testing.T) {
	b := start(t)
	b.certify(t, 1)
	b.write(t, b.pages, "index.html", []byte("một"))
	if got, text := b.ask(t, "GET", "/none", nil); got.StatusCode != 404 || !strings.Contains(text, "Không có") {
		t.Fatalf("without such a page: %d %s", got.StatusCode, text)
	}
	b.write(t, b.pages, "404.html", []byte("<p>lạc"))
	got, text := b.ask(t, "GET", "/none", nil)
	if got.StatusCode != 404 || text != "<p>lạc" || got.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("with such a page: %d %s %s", got.StatusCode, got.Header.Get("Content-Type"), text)
	}
}

func TestARenewedCertificateIsTakenAndABrokenOneIsNot(t *testing.T) {
	b := start(t)
	b.write(t, b.pages, "index.html", []byte("một"))
	for serial := int64(1); serial <= 2; serial++ {
		b.certify(t, serial)
		got, _ := b.ask(t, "GET", "/", nil)
		if used := got.TLS.PeerCertificates[0].SerialNumber.Int64(); used != serial {
			t.Fatalf("serial %d instead of %d", used, serial)
		}
	}
	b.write(t, b.pair, keypair.Key, []byte("no key"))
	got, _ := b.ask(t, "GET", "/", nil)
	if used := got.TLS.PeerCertificates[0].SerialNumber.Int64(); used != 2 {
		t.Fatalf("serial %d instead of 2", used)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	b := start(t)
	b.certify(t, 1)
	old := &tls.Config{RootCAs: b.roots, ServerName: host, MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}
	if connection, err := tls.Dial("tcp", b.secure.Addr().String(), old); err == nil {
		connection.Close()
		t.Fatal("TLS 1.1 was accepted")
	}
	current := &tls.Config{RootCAs: b.roots, ServerName: host}
	connection, err := tls.Dial("tcp", b.secure.Addr().String(), current)
	if err != nil {
		t.Fatal(err)
	}
	connection.Close()
}

func TestItEndsInOrderWhenTold(t *testing.T) {
	b := start(t)
	b.certify(t, 1)
	b.write(t, b.pages, "index.html", []byte("một"))
	b.ask(t, "GET", "/", nil)
	b.end()
	select {
	case err := <-b.ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	if _, err := net.DialTimeout("tcp", b.secure.Addr().String(), time.Second); err == nil {
		t.Fatal("it still listens")
	}
}
