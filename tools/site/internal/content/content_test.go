package content

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	place := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mount lays files out as kubelet does for a ConfigMap: names link into ..data, which links to a folder per version.
func mount(t *testing.T, folder, version string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		write(t, folder, filepath.Join(version, name), text)
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(folder, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	draft := filepath.Join(folder, "..data_tmp")
	if err := os.Symlink(version, draft); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, filepath.Join(folder, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderWithoutAPageIsRefused(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "site.css", "p {}")
	if files, err := Open(folder, 0).Files(); err == nil || files != nil || !strings.Contains(err.Error(), Index) {
		t.Fatalf("got %v, %v", files, err)
	}
}

func TestAMountedConfigMapIsReadAndItsVersionsAreNot(t *testing.T) {
	folder := t.TempDir()
	mount(t, folder, "..1", map[string]string{"index.html": "một", "site.css": "p {}"})
	files, err := Open(folder, 0).Files()
	if err != nil || len(files) != 2 {
		t.Fatalf("got %v, %v", files, err)
	}
	if page := files[Index]; string(page.Data) != "một" || page.Type != "text/html; charset=utf-8" {
		t.Fatalf("got %q of type %s", page.Data, page.Type)
	}
}

func TestAnotherVersionIsTakenWhole(t *testing.T) {
	folder := t.TempDir()
	mount(t, folder, "..1", map[string]string{"index.html": "một", "site.css": "p {}"})
	opened := Open(folder, 0)
	before, _ := opened.Files()
	mount(t, folder, "..2", map[string]string{"index.html": "hai", "site.css": "b {}"})
	after, err := opened.Files()
	if err != nil || string(after[Index].Data) != "hai" || string(after["site.css"].Data) != "b {}" {
		t.Fatalf("got %v, %v", after, err)
	}
	if before[Index].ETag == after[Index].ETag || string(before[Index].Data) != "một" {
		t.Fatal("what was handed out before changed, or keeps its tag")
	}
}

func TestWhatCannotBeReadLeavesTheVersionBefore(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, Index, "một")
	opened := Open(folder, 0)
	if _, err := opened.Files(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, Index)); err != nil {
		t.Fatal(err)
	}
	files, err := opened.Files()
	if err == nil || string(files[Index].Data) != "một" {
		t.Fatalf("got %v, %v", files, err)
	}
}

func TestAFolderThatIsTooLargeIsRefused(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, Index, "một")
	if err := os.Truncate(filepath.Join(folder, Index), MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	if files, err := Open(folder, 0).Files(); err == nil || files != nil {
		t.Fatalf("got %v, %v", files, err)
	}
}
