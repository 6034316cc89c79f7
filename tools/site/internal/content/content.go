// Package content holds a folder of files as one unchanging snapshot, and takes a new one when the folder changed.
//
// Nothing that a client asks for ever becomes a path: a name is looked up among the files that were read. So there is
// no directory listing and nothing outside the folder, and the files a page belongs together with are of one version.
package content

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

// Index is the page of the folder itself; a folder without it is refused.
const Index = "index.html"

// Missing is the page for whatever isn't there; a folder needn't have it.
const Missing = "404.html"

// MaxBytes is how much a folder may hold: it stays in memory. Kubernetes allows a ConfigMap 1 MiB.
const MaxBytes = 16 << 20

// File is one file of a snapshot.
type File struct {
	Data []byte
	Type string // what goes into Content-Type
	ETag string // strong, quoted
}

// types are those a public page needs. Text is UTF-8. The system's tables differ from machine to machine.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/vnd.microsoft.icon",
	".jpg":         "image/jpeg",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".webp":        "image/webp",
	".woff2":       "font/woff2",
	".xml":         "application/xml",
}

// Folder serves snapshots of a folder.
type Folder struct {
	root     string
	mutex    sync.Mutex
	seen     string // what the folder looked like when files were read
	files    map[string]File
	interval time.Duration
	looked   time.Time
}

// Open prepares a folder; it may be empty as yet. It is looked at again when interval has passed since the last time.
func Open(root string, interval time.Duration) *Folder {
	return &Folder{root: root, interval: interval}
}

// Files returns the files by name, such as "index.html" or "img/logo.svg". After a change that can't be read it goes on
// returning the files before it, together with the error; without any files there is an error always.
func (f *Folder) Files() (map[string]File, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.files != nil && time.Since(f.looked) < f.interval {
		return f.files, nil
	}
	f.looked = time.Now()
	seen, err := f.look()
	if err == nil && (f.files == nil || seen != f.seen) {
		var files map[string]File
		if files, err = f.read(); err == nil {
			f.files, f.seen = files, seen
		}
	}
	return f.files, err
}

// look describes the folder so that another description means another content.
func (f *Folder) look() (string, error) {
	var all strings.Builder
	err := f.each(func(name string, info fs.FileInfo) error {
		fmt.Fprintf(&all, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	// a mounted ConfigMap is exchanged by pointing this link elsewhere
	if target, linkError := os.Readlink(path.Join(f.root, "..data")); linkError == nil {
		all.WriteString(target)
	}
	return all.String(), err
}

func (f *Folder) read() (map[string]File, error) {
	files, total := map[string]File{}, int64(0)
	err := f.each(func(name string, info fs.FileInfo) error {
		if total += info.Size(); total > MaxBytes {
			return fmt.Errorf("%s holds more than %d bytes", f.root, MaxBytes)
		}
		data, err := os.ReadFile(path.Join(f.root, name))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		files[name] = File{Data: data, Type: typeOf(name), ETag: `"` + hex.EncodeToString(sum[:16]) + `"`}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, found := files[Index]; !found {
		return nil, errors.New(f.root + " has no " + Index)
	}
	return files, nil
}

// each visits the regular files whose names, and whose folders' names, don't begin with a dot.
func (f *Folder) each(visit func(name string, info fs.FileInfo) error) error {
	tree := os.DirFS(f.root)
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		info, err := fs.Stat(tree, name) // follows the links of a mounted ConfigMap
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		return visit(name, info)
	})
}

func typeOf(name string) string {
	if found, ok := types[strings.ToLower(path.Ext(name))]; ok {
		return found
	}
	return "application/octet-stream"
}
