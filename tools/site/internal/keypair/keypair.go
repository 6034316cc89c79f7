// Package keypair keeps a certificate and its key from a folder, and takes new ones when the folder changed.
package keypair

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names of the files, as in a Kubernetes Secret of type kubernetes.io/tls.
const (
	Certificate = "tls.crt"
	Key         = "tls.key"
)

// Folder is where the pair lies.
type Folder struct {
	root     string
	interval time.Duration
	mutex    sync.Mutex
	looked   time.Time
	seen     string
	pair     *tls.Certificate
}

// Open prepares a folder; it may be empty as yet. It is looked at again when interval has passed since the last time.
func Open(root string, interval time.Duration) *Folder {
	return &Folder{root: root, interval: interval}
}

// Current returns the pair. After a change that makes no pair it goes on returning the one before, with the error.
func (f *Folder) Current() (*tls.Certificate, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.pair != nil && time.Since(f.looked) < f.interval {
		return f.pair, nil
	}
	f.looked = time.Now()
	place, seen, err := f.look()
	if err == nil && (f.pair == nil || seen != f.seen) {
		var pair tls.Certificate
		pair, err = tls.LoadX509KeyPair(filepath.Join(place, Certificate), filepath.Join(place, Key))
		if err == nil {
			f.pair, f.seen = &pair, seen
		}
	}
	return f.pair, err
}

// ForHandshake is what a TLS server asks; a failed change of the pair isn't the client's affair.
func (f *Folder) ForHandshake(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := f.Current()
	if pair == nil {
		return nil, err
	}
	return pair, nil
}

// look returns the folder in which both files are of one version, and a description of that version. A mounted Secret
// is exchanged by pointing the link ..data elsewhere, so the link is followed once, for both files.
func (f *Folder) look() (place, seen string, err error) {
	if place, err = filepath.EvalSymlinks(filepath.Join(f.root, "..data")); err != nil {
		if place, err = filepath.EvalSymlinks(f.root); err != nil {
			return "", "", err
		}
	}
	seen = place
	for _, name := range []string{Certificate, Key} {
		info, err := os.Stat(filepath.Join(place, name))
		if err != nil {
			return "", "", err
		}
		seen += fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
	}
	return place, seen, nil
}
